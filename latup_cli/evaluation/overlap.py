"""How well two masks agree, voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class OverlapCounts:
    """How many voxels of two masks agree and differ; every overlap measure follows from it.

    The rules for empty masks are those of the BraTS challenges.

    Attributes:
        true_positives: In both masks.
        false_positives: In the prediction only.
        false_negatives: In the reference only.
        true_negatives: In neither.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def predicted(self) -> int:
        """Voxels of the prediction."""
        return self.true_positives + self.false_positives

    @property
    def reference(self) -> int:
        """Voxels of the reference."""
        return self.true_positives + self.false_negatives

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN) (Dice 1945); 1 if both masks are empty, 0 if one is."""
        total = self.predicted + self.reference
        return 2.0 * self.true_positives / total if total else 1.0

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN); with an empty reference 1 if the prediction is empty too, else 0."""
        if self.reference == 0:
            return 0.0 if self.predicted else 1.0
        return self.true_positives / self.reference

    @property
    def specificity(self) -> float:
        """TN / (TN + FP); 1 if the reference fills the image."""
        outside = self.true_negatives + self.false_positives
        return self.true_negatives / outside if outside else 1.0


def overlap_counts(
    prediction: npt.NDArray[np.bool_], reference: npt.NDArray[np.bool_]
) -> OverlapCounts:
    """Count where two masks agree.

    Args:
        prediction: Bool, any shape.
        reference: Bool, the same shape.
    """
    both = int(np.count_nonzero(prediction & reference))
    predicted, referred = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    return OverlapCounts(
        true_positives=both,
        false_positives=predicted - both,
        false_negatives=referred - both,
        true_negatives=prediction.size - predicted - referred + both,
    )


def dice(prediction: npt.NDArray[np.bool_], reference: npt.NDArray[np.bool_]) -> float:
    """Dice coefficient 2|A∩B| / (|A| + |B|); 1 where both masks are empty (BraTS rule).

    Args:
        prediction: Bool, any shape.
        reference: Bool, the same shape.
    """
    return overlap_counts(prediction, reference).dice
