"""The tables of a study: one row a patient, and why the others have none."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from latup_cli.domain.cohort import DONE, FAILED, PENDING, Record, Row
from latup_cli.imaging.atomic import write_text

SUMMARY_CSV, SUMMARY_JSON, FAILURES_CSV = "summary.csv", "summary.json", "failures.csv"

SCHEMA_VERSION = 1
"""Of the JSON summary; raised when a field changes its meaning, its name, or goes away."""

FIRST_COLUMNS = (
    "patient",
    "state",
    "WT_ml",
    "TC_ml",
    "ET_ml",
    "NCR_ml",
    "ED_ml",
    "brain_ml",
    "seconds",
    "device",
    "engine",
    "model",
    "model_version",
    "model_sha256",
    "mask",
    "report",
    "preview",
    "warnings",
)
"""Columns that are always there; quality numbers follow, in the order of their names."""

FAILURE_COLUMNS = ("patient", "error", "exit_code", "message", "hint")

_QUALITY = "quality"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def rows(records: Iterable[Record]) -> tuple[Row, ...]:
    """One row a patient, by name: the last word of the ledger, for tables and pages.

    Returns:
        Column to value: of those who are done, everything in `FIRST_COLUMNS` and every number
        of quality as `quality.<name>`; of the others `patient`, `state` and, if they failed,
        `error`, `exit_code`, `message` and `hint`. Paths are relative to the output folder.
    """
    return tuple(_row(record) for record in sorted(records, key=lambda record: record.name))


def row_of_report(report: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The row of a patient from the JSON report of its segmentation.

    Args:
        report: As `latup segment` writes it.
        files: "mask", "report" and, if there is one, "preview" to its path.
    """
    volumes, model, runs_on = report["volumes"], report["model"], report["runs_on"]
    regions = {f"{r}_ml": region["volume_ml"] for r, region in volumes["regions"].items()}
    return {
        **regions,
        "brain_ml": volumes["brain"]["volume_ml"],
        "seconds": round(sum(report["seconds"].values()), 3),
        "device": runs_on["used"],
        "engine": runs_on["engine"],
        "model": model["name"],
        "model_version": model["version"],
        "model_sha256": model["sha256"],
        **files,
        "warnings": list(report["warnings"]),
        **_measured(report.get(_QUALITY) or ()),
    }


def write_results(output: Path, records: Iterable[Record]) -> tuple[Path, ...]:
    """Write `summary.csv`, `summary.json` and `failures.csv`, each renamed into its place.

    Returns:
        The files.

    Raises:
        OutputError: If one cannot be written.
    """
    table = rows(records)
    failed = [row for row in table if row["state"] == FAILED]
    for name, text in (
        (SUMMARY_CSV, _csv(_columns(table), table)),
        (FAILURES_CSV, _csv(FAILURE_COLUMNS, failed)),
        (SUMMARY_JSON, summary_json(table)),
    ):
        write_text(output / name, text)
    return tuple(output / name for name in (SUMMARY_CSV, SUMMARY_JSON, FAILURES_CSV))


def summary_json(table: Sequence[Row]) -> str:
    """The summary for programs: counts, and every row."""
    states = Counter(row["state"] for row in table)
    content = {
        "schema_version": SCHEMA_VERSION,
        "counts": {state: states[state] for state in (DONE, FAILED, PENDING)},
        "patients": table,
    }
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n"


def _row(record: Record) -> Row:
    row: dict[str, Any] = {"patient": record.name, "state": record.state}
    if record.state == DONE:  # a result that was refused since is none of this run
        row |= record.row
    if record.failure is not None:
        failure = record.failure
        row |= {"error": failure.error, "exit_code": failure.exit_code}
        row |= {"message": failure.message, "hint": failure.hint}
    return row


def _measured(findings: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Every quality number of a report, by its check and what was checked."""
    return {_quality_column(finding): finding["value"] for finding in findings}


def _quality_column(finding: Mapping[str, Any]) -> str:
    subject = finding["subject"]
    return f"{_QUALITY}.{finding['check']}" + (f", {subject}" if subject else "")


def _columns(table: Iterable[Row]) -> tuple[str, ...]:
    quality = {column for row in table for column in row if column.startswith(f"{_QUALITY}.")}
    return (*FIRST_COLUMNS, *sorted(quality))


def _csv(columns: Sequence[str], table: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in table)
    return text.getvalue()


def _cell(value: object) -> object:
    """A value as a spreadsheet takes it: an apostrophe makes a formula text."""
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value
