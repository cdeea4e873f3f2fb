"""Write an evaluation as CSV, for tables, and as JSON, for programs and for the record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from latup_cli.evaluation.confusion import CLASSES, Confusion, row_shares
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.score import METRICS, CaseScores, RegionScores
from latup_cli.evaluation.summary import ENOUGH_ET_ML, EnhancingTumor, Evaluation, Spread
from latup_cli.imaging.atomic import write_text

METRICS_FILE = "metrics.csv"
SUMMARY_FILE = "summary.json"
CONFUSION_FILE = "confusion.csv"
TABLES = (METRICS_FILE, CONFUSION_FILE, SUMMARY_FILE)
"""Everything that `write_tables` writes."""

SCHEMA_VERSION = 1

CSV_COLUMNS = (
    "case",
    "region",
    *METRICS,
    "reference_ml",
    "predicted_ml",
    "false_ml",
    "lesions_found",
    "lesions_missed",
    "lesions_made_up",
)
"""Header of the table of cases."""

_DIGITS = 9
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_tables(folder: Path, evaluation: Evaluation) -> None:
    """Write `metrics.csv`, `confusion.csv` and `summary.json`.

    Raises:
        OutputError: If they cannot be written.
    """
    rows = ((*_named(case, region), *_row(case.regions[region]).values())
            for case in evaluation.cases for region in case.regions)  # fmt: skip
    write_text(folder / METRICS_FILE, _csv(CSV_COLUMNS, rows))
    write_text(folder / CONFUSION_FILE, _confusion_csv(evaluation.summary.confusion))
    write_text(folder / SUMMARY_FILE, json_text(evaluation))


def json_text(evaluation: Evaluation) -> str:
    """The evaluation as JSON, indented by 2, keys always in the same order."""
    return json.dumps(as_json(evaluation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """An evaluation as JSON's types; a figure that does not exist is null."""
    summary, rule = evaluation.summary, RULES[evaluation.challenge]
    return {
        "schema_version": SCHEMA_VERSION,
        "cases": summary.cases,
        "without_prediction": list(evaluation.without_prediction),
        "without_reference": list(evaluation.without_reference),
        "labels": {
            "predictions": list(evaluation.labels_predictions),
            "references": list(evaluation.labels_references),
        },
        "lesion_rule": {
            "name": evaluation.challenge.value,
            "dilation_steps": rule.steps,
            "ignored_mm3": rule.ignored_mm3,
        },
        "regions": {region: _spreads(metrics) for region, metrics in summary.regions.items()},
        "enhancing_tumor": _enhancing(summary.enhancing),
        "confusion": {"labels": list(CLASSES), **_confusion(summary.confusion)},
        "per_case": [_case(case) for case in evaluation.cases],
    }


def _case(case: CaseScores) -> dict[str, object]:
    return {
        "case": case.name,
        "regions": {region: _row(scores) for region, scores in case.regions.items()},
        "confusion": case.confusion.tolist(),
    }


def _row(scores: RegionScores) -> dict[str, float]:
    """A region's figures, in the order of `CSV_COLUMNS`."""
    figures = {
        **scores.metrics,
        "reference_ml": scores.reference_ml,
        "predicted_ml": scores.predicted_ml,
        "false_ml": scores.false_ml,
        "lesions_found": scores.lesions.found,
        "lesions_missed": scores.lesions.missed,
        "lesions_made_up": scores.lesions.made_up,
    }
    return {name: round(value, _DIGITS) for name, value in figures.items()}


def _spreads(metrics: Mapping[str, Spread]) -> dict[str, object]:
    return {metric: _spread(spread) for metric, spread in metrics.items()}


def _spread(spread: Spread) -> dict[str, object]:
    return {
        name: [round(v, _DIGITS) for v in value] if isinstance(value, tuple) else _rounded(value)
        for name, value in asdict(spread).items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _enhancing(enhancing: EnhancingTumor) -> dict[str, object]:
    return {
        "least_ml": ENOUGH_ET_ML,
        "cases": enhancing.cases,
        "metrics": _spreads(enhancing.metrics),
        "other_cases": enhancing.other_cases,
        "false_ml": _spread(enhancing.false_ml) if enhancing.false_ml else None,
    }


def _confusion(confusion: Confusion) -> dict[str, object]:
    return {
        "counts": confusion.tolist(),
        "row_shares": row_shares(confusion).round(_DIGITS).tolist(),
    }


def _confusion_csv(confusion: Confusion) -> str:
    shares = row_shares(confusion)
    rows = (
        (reference, prediction, int(confusion[i, j]), round(float(shares[i, j]), _DIGITS))
        for i, reference in enumerate(CLASSES)
        for j, prediction in enumerate(CLASSES)
    )
    return _csv(("reference", "prediction", "voxels", "share_of_reference"), rows)


def _csv(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return table.getvalue()


def _named(case: CaseScores, region: str) -> tuple[str, str]:
    """An apostrophe keeps a spreadsheet from taking a name for a formula."""
    starts = case.name.startswith(_FORMULA_STARTS)
    return (f"'{case.name}" if starts else case.name), region
