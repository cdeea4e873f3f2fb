"""Tables of a study: one row a patient, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from latup_cli.cohort.results import (
    FAILURE_COLUMNS,
    FIRST_COLUMNS,
    row_of_report,
    rows,
    write_results,
)
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Failure, Record

REPORT: dict[str, Any] = {
    "volumes": {
        "brain": {"voxels": 9, "volume_ml": 1300.5},
        "regions": {r: {"volume_ml": n} for n, r in enumerate(("WT", "TC", "ET", "NCR", "ED"))},
    },
    "seconds": {"read": 1.25, "segment": 2.5},
    "runs_on": {"used": "cuda:0", "engine": "onnxruntime 1"},
    "model": {"name": "m", "version": "1", "sha256": "abc"},
    "warnings": ["small", "odd"],
    "quality": [
        {"check": "registration", "subject": "t1", "value": 0.9},
        {"check": "brain volume", "subject": "", "value": 1300.0},
        {"check": "registration", "subject": "t2", "value": None},
    ],
}
FILES = {"mask": "P/P_seg.nii.gz", "report": "P/P_report.json"}
RECORDS = (
    Record("b", FAILED, failure=Failure("InputError", 3, "=cmd", "Add, please.")),
    Record("c", PENDING),
    Record("a", DONE, row=row_of_report(REPORT, FILES)),
)


def table(path: Path) -> list[list[str]]:
    """A CSV file's cells."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_row_has_what_the_report_has() -> None:
    """Volumes, seconds, device, model, warnings, and every number of quality by its path."""
    done, failed, pending = rows(RECORDS)
    assert (done["WT_ml"], done["ED_ml"], done["brain_ml"], done["seconds"]) == (0, 4, 1300.5, 3.75)
    assert (done["device"], done["model_sha256"], done["mask"]) == ("cuda:0", "abc", FILES["mask"])
    assert done["quality.registration, t1"] == 0.9
    assert done["quality.brain volume"] == 1300.0
    assert (failed["patient"], failed["exit_code"]) == ("b", 3)
    assert pending == {"patient": "c", "state": PENDING}


def test_a_report_without_quality_has_no_such_columns() -> None:
    """Reports from before the checks still make a row."""
    row = row_of_report({k: v for k, v in REPORT.items() if k != "quality"}, FILES)
    assert not any(column.startswith("quality") for column in row)


def test_tables_have_the_same_columns_in_every_row(tmp_path: Path) -> None:
    """Fixed columns first, then quality by name; who has no value has an empty cell."""
    write_results(tmp_path, RECORDS)
    heading, *body = table(tmp_path / "summary.csv")
    assert heading == [
        *FIRST_COLUMNS,
        "quality.brain volume",
        "quality.registration, t1",
        "quality.registration, t2",
    ]
    assert [row[:2] for row in body] == [["a", "done"], ["b", "failed"], ["c", "pending"]]
    assert {len(row) for row in body} == {len(heading)}
    assert body[0][heading.index("warnings")] == "small | odd"


def test_failures_tell_why_and_are_no_formulas(tmp_path: Path) -> None:
    """A message that a spreadsheet would compute is written as text."""
    write_results(tmp_path, RECORDS)
    assert table(tmp_path / "failures.csv") == [
        list(FAILURE_COLUMNS),
        ["b", "InputError", "3", "'=cmd", "Add, please."],
    ]


def test_json_counts_everybody(tmp_path: Path) -> None:
    """The JSON summary has every row with its types, and the count of each state."""
    write_results(tmp_path, RECORDS)
    content = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert content["counts"] == {DONE: 1, FAILED: 1, PENDING: 1}
    assert content["patients"] == [dict(row) for row in rows(RECORDS)]
