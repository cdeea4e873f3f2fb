"""The rows that a person reads in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from latup_cli.evaluation.confusion import CLASSES, Confusion, row_shares
from latup_cli.evaluation.score import METRICS, CaseScores
from latup_cli.evaluation.summary import ENOUGH_ET, ENOUGH_ET_ML, EnhancingTumor, Spread, Summary

Row: TypeAlias = tuple[str, ...]

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice",
        "hd95_mm": "HD95\nmm",
        "volume_error_ml": "volume\nerror mL",
        "sensitivity": "sens.",
        "specificity": "spec.",
        "lesion_dice": "lesion\nDice",
        "lesion_hd95_mm": "lesion\nHD95 mm",
    }
)
"""Metric to its column's heading, in the order of `METRICS`."""

CONFUSION_COLUMNS = ("", *CLASSES)
"""Header of the table of voxels."""

_DECIMALS = {"hd95_mm": 2, "volume_error_ml": 2, "specificity": 4, "lesion_hd95_mm": 2}
_NONE = "-"


def summary_rows(summary: Summary) -> tuple[Row, ...]:
    """Region, statistic and each metric: mean, median and sd of WT, TC, ET and ET by its rule."""
    regions = dict(summary.regions)
    if summary.enhancing.metrics:
        regions[ENOUGH_ET] = summary.enhancing.metrics
    return tuple(row for name, metrics in regions.items() for row in _statistics(name, metrics))


def case_rows(cases: Iterable[CaseScores]) -> tuple[Row, ...]:
    """Case, region and each metric."""
    return tuple(
        (case.name if region == "WT" else "", region, *_texts(scores.metrics))
        for case in cases
        for region, scores in case.regions.items()
    )


def confusion_rows(confusion: Confusion) -> tuple[Row, ...]:
    """Reference tissue, and voxels with their share of it for each predicted label."""
    shares = row_shares(confusion)
    return tuple(
        (
            name,
            *(f"{count:,} ({share:.1%})" for count, share in zip(row, row_share, strict=True)),
        )
        for name, row, row_share in zip(CLASSES, confusion.tolist(), shares, strict=True)
    )


def enhancing_text(enhancing: EnhancingTumor) -> str:
    """What the ET figures are over, and how much was made up elsewhere."""
    enough = f"at least {ENOUGH_ET_ML:g} mL of ET"
    if enhancing.false_ml is None:
        return f"All {enhancing.cases} references have {enough}."
    false = enhancing.false_ml
    found = f"{enhancing.cases} of {enhancing.cases + enhancing.other_cases} references"
    made_up = f"mean {false.mean:.2f} mL, median {false.median:.2f} mL, most {false.most:.2f} mL"
    return f"{found} have {enough}; false ET on the others: {made_up}."


def _statistics(name: str, metrics: Mapping[str, Spread]) -> tuple[Row, Row, Row]:
    means = {metric: spread.mean for metric, spread in metrics.items()}
    medians = {metric: spread.median for metric, spread in metrics.items()}
    spreads = {metric: spread.sd for metric, spread in metrics.items()}
    return (
        (name, "mean", *_texts(means)),
        ("", "median", *_texts(medians)),
        ("", "sd", *_texts(spreads)),
    )


def _texts(values: Mapping[str, float | None]) -> Row:
    return tuple(_text(metric, values[metric]) for metric in METRICS)


def _text(metric: str, value: float | None) -> str:
    return _NONE if value is None else f"{value:.{_DECIMALS.get(metric, 3)}f}"
