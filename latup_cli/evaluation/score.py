"""Every figure of one case: a prediction against its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from latup_cli.domain.volume import LabelMap
from latup_cli.evaluation.confusion import Confusion, confusion_matrix
from latup_cli.evaluation.lesions import LesionRule, LesionScores, lesion_scores
from latup_cli.evaluation.overlap import OverlapCounts, overlap_counts
from latup_cli.evaluation.surface import hausdorff95
from latup_cli.labels import REGIONS


@dataclass(frozen=True, slots=True)
class RegionScores:
    """One region of one case.

    Attributes:
        counts: Voxels that agree and differ.
        voxel_ml: Volume of one voxel.
        hd95_mm: 95th percentile of surface distances.
        lesions: The lesion-wise scores.
    """

    counts: OverlapCounts
    voxel_ml: float
    hd95_mm: float
    lesions: LesionScores

    @property
    def reference_ml(self) -> float:
        """Volume in the reference, in mL."""
        return self.counts.reference * self.voxel_ml

    @property
    def predicted_ml(self) -> float:
        """Volume in the prediction, in mL."""
        return self.counts.predicted * self.voxel_ml

    @property
    def volume_error_ml(self) -> float:
        """Prediction less reference, in mL: negative where too little was found."""
        return (self.counts.predicted - self.counts.reference) * self.voxel_ml

    @property
    def false_ml(self) -> float:
        """Volume that the prediction has and the reference has not, in mL."""
        return self.counts.false_positives * self.voxel_ml

    @property
    def metrics(self) -> Mapping[str, float]:
        """Name to value, in the order of `METRICS`."""
        values = (
            self.counts.dice,
            self.hd95_mm,
            self.volume_error_ml,
            self.counts.sensitivity,
            self.counts.specificity,
            self.lesions.dice,
            self.lesions.hd95_mm,
        )
        return MappingProxyType(dict(zip(METRICS, values, strict=True)))


METRICS = (
    "dice",
    "hd95_mm",
    "volume_error_ml",
    "sensitivity",
    "specificity",
    "lesion_dice",
    "lesion_hd95_mm",
)
"""What is measured per region and summarized over cases."""


@dataclass(frozen=True, slots=True, eq=False)
class CaseScores:
    """One case.

    Attributes:
        name: The case.
        regions: "WT", "TC" and "ET" to their figures.
        confusion: (4, 4) voxel counts, reference by prediction.
    """

    name: str
    regions: Mapping[str, RegionScores]
    confusion: Confusion


def score_case(
    name: str, prediction: LabelMap, reference: LabelMap, rule: LesionRule
) -> CaseScores:
    """Measure one case.

    Args:
        name: The case.
        prediction: On the grid of the reference.
        reference: The expert's segmentation.
        rule: What counts as one lesion.

    Raises:
        GeometryError: If the two do not have the same shape.
    """
    confusion = confusion_matrix(prediction, reference)
    regions = {region: _score(region, prediction, reference, rule) for region in REGIONS}
    return CaseScores(name, MappingProxyType(regions), confusion)


def _score(
    region: str, prediction: LabelMap, reference: LabelMap, rule: LesionRule
) -> RegionScores:
    ours, theirs = prediction.region(region).data, reference.region(region).data
    counts = overlap_counts(ours, theirs)
    spacing_mm = reference.grid.spacing_mm
    return RegionScores(
        counts,
        reference.grid.voxel_ml,
        hausdorff95(ours, theirs, spacing_mm),
        lesion_scores(ours, theirs, spacing_mm, rule),
    )
