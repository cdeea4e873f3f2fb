"""Mean, median and spread over cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from latup_cli.config import LesionChallenge
from latup_cli.evaluation.confusion import CLASSES, Confusion
from latup_cli.evaluation.score import METRICS, CaseScores, RegionScores
from latup_cli.labels import REGIONS

ENOUGH_ET_ML = 1.0
"""With less enhancing tumor in the reference, ET Dice turns on single voxels."""

ENOUGH_ET = f"ET >={ENOUGH_ET_ML:g} mL"
"""What ET over the cases that have enough of it is called, in characters every system prints."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is distributed over cases.

    Attributes:
        mean: Arithmetic mean.
        median: 50th percentile.
        sd: Standard deviation of the sample (n - 1); None for a single case.
        quartiles: 25th and 75th percentile.
        least: Smallest value.
        most: Largest value.
    """

    mean: float
    median: float
    sd: float | None
    quartiles: tuple[float, float]
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The distribution of at least one value.

        Raises:
            ValueError: If there are none.
        """
        if not values:
            raise ValueError("There is no spread of no values.")
        low, median, high = (float(q) for q in np.percentile(values, (25.0, 50.0, 75.0)))
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), median, sd, (low, high), min(values), max(values))


@dataclass(frozen=True, slots=True)
class EnhancingTumor:
    """ET, judged where there is enough of it, and what was made up where there is not.

    Attributes:
        cases: How many references have at least 1 mL of ET.
        metrics: Metric to its spread over these; empty if there are none.
        other_cases: How many references have less.
        false_ml: Spread over these of ET in the prediction outside the reference's, in mL;
            None if there are none.
    """

    cases: int
    metrics: Mapping[str, Spread]
    other_cases: int
    false_ml: Spread | None


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """All cases together.

    Attributes:
        cases: How many.
        regions: "WT", "TC", "ET" to metric to its spread over all cases, by the BraTS rules
            for empty masks.
        enhancing: ET by its own rule.
        confusion: (4, 4) voxel counts over all cases, reference by prediction.
    """

    cases: int
    regions: Mapping[str, Mapping[str, Spread]]
    enhancing: EnhancingTumor
    confusion: Confusion


def summarize(cases: Sequence[CaseScores]) -> Summary:
    """Put cases together.

    Raises:
        ValueError: If there are none.
    """
    if not cases:
        raise ValueError("There is no summary of no cases.")
    regions = {region: _spreads(case.regions[region] for case in cases) for region in REGIONS}
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    for case in cases:
        confusion += case.confusion
    enhancing = enhancing_tumor([case.regions["ET"] for case in cases])
    return Summary(len(cases), MappingProxyType(regions), enhancing, confusion)


def has_enough_et(score: RegionScores) -> bool:
    """Whether the reference has enough of it for an agreement to mean something."""
    return is_enough_et(score.reference_ml)


def is_enough_et(ml: float) -> bool:
    """Whether that is at least 1 mL, a thousandth of a cubic millimeter aside."""
    return round(ml, 6) >= ENOUGH_ET_ML


def enhancing_tumor(scores: Sequence[RegionScores]) -> EnhancingTumor:
    """Summarize the ET of all cases: agreement on those that have it, excess on the others."""
    enough = [score for score in scores if has_enough_et(score)]
    others = [score.false_ml for score in scores if not has_enough_et(score)]
    return EnhancingTumor(
        cases=len(enough),
        metrics=_spreads(enough) if enough else MappingProxyType({}),
        other_cases=len(others),
        false_ml=Spread.of(others) if others else None,
    )


def _spreads(scores: Iterable[RegionScores]) -> Mapping[str, Spread]:
    measured = [score.metrics for score in scores]
    spreads = {metric: Spread.of([values[metric] for values in measured]) for metric in METRICS}
    return MappingProxyType(spreads)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What `latup evaluate` found.

    Attributes:
        cases: Every case, by name.
        summary: All of them together.
        challenge: Whose lesion-wise rule was used.
        labels_predictions: Label schemes that the predictions are in.
        labels_references: Label schemes that the references are in.
        without_prediction: References that were left out.
        without_reference: Predictions that were left out.
    """

    cases: tuple[CaseScores, ...]
    summary: Summary
    challenge: LesionChallenge
    labels_predictions: tuple[str, ...]
    labels_references: tuple[str, ...]
    without_prediction: tuple[str, ...]
    without_reference: tuple[str, ...]
