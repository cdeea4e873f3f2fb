"""Overlap measures, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from latup_cli.evaluation.overlap import dice, overlap_counts
from tests.evaluation.masks import Mask, Spacing, box, mask_pairs
from tests.properties.strategies import LAW

SHAPE = (6, 5, 4)
FULL = np.ones(SHAPE, dtype=bool)
EMPTY = np.zeros(SHAPE, dtype=bool)


def test_counts_by_hand() -> None:
    """Two blocks of 8 and 12 voxels that share 4 give these counts and shares."""
    prediction = box(SHAPE, (0, 0, 0), (2, 2, 2))
    reference = box(SHAPE, (1, 0, 0), (3, 2, 2))
    counts = overlap_counts(prediction, reference)
    assert (counts.true_positives, counts.false_positives) == (4, 4)
    assert (counts.false_negatives, counts.true_negatives) == (8, 120 - 16)
    assert counts.dice == pytest.approx(2 * 4 / (8 + 12))
    assert counts.sensitivity == pytest.approx(4 / 12)
    assert counts.specificity == pytest.approx(104 / 108)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected_dice", "sensitivity", "specificity"),
    [
        (EMPTY, EMPTY, 1.0, 1.0, 1.0),
        (box(SHAPE, (0, 0, 0), (1, 1, 1)), EMPTY, 0.0, 0.0, 119 / 120),
        (EMPTY, box(SHAPE, (0, 0, 0), (1, 1, 1)), 0.0, 0.0, 1.0),
        (FULL, FULL, 1.0, 1.0, 1.0),
    ],
)
def test_empty_masks_follow_the_brats_rules(
    prediction: Mask,
    reference: Mask,
    expected_dice: float,
    sensitivity: float,
    specificity: float,
) -> None:
    """Both empty is perfect, one empty is worthless, and nothing is divided by zero."""
    counts = overlap_counts(prediction, reference)
    assert counts.dice == expected_dice
    assert counts.sensitivity == sensitivity
    assert counts.specificity == pytest.approx(specificity)


@LAW
@given(mask_pairs())
def test_dice_is_symmetric_and_bounded(pair: tuple[Mask, Mask, Spacing]) -> None:
    """Dice does not care which mask is the reference, and lies in [0, 1]; 1 means equal."""
    prediction, reference, _ = pair
    value = dice(prediction, reference)
    assert value == dice(reference, prediction)
    assert 0.0 <= value <= 1.0
    assert (value == 1.0) == np.array_equal(prediction, reference)


@LAW
@given(mask_pairs())
def test_counts_cover_every_voxel(pair: tuple[Mask, Mask, Spacing]) -> None:
    """The four counts add up to the image, and swapping the masks swaps the two errors."""
    prediction, reference, _ = pair
    one, other = overlap_counts(prediction, reference), overlap_counts(reference, prediction)
    total = one.true_positives + one.false_positives + one.false_negatives + one.true_negatives
    assert total == prediction.size
    assert (one.false_positives, one.false_negatives) == (
        other.false_negatives,
        other.false_positives,
    )
