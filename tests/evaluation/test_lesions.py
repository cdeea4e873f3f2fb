"""Lesion-wise scores, worked by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.config import LesionChallenge
from latup_cli.evaluation.lesions import RULES, LesionScores, lesion_scores
from tests.evaluation.masks import Mask, Spacing, box, mask_pairs
from tests.properties.strategies import LAW

SHAPE = (60, 30, 28)
CUBE = (1.0, 1.0, 1.0)
GLI, MET = RULES[LesionChallenge.GLI], RULES[LesionChallenge.MET]
EMPTY = np.zeros(SHAPE, dtype=bool)


def test_four_lesions_by_hand() -> None:
    """One lesion half found, one missed, one too small to count but touched, one made up."""
    found = box(SHAPE, (5, 5, 5), (5, 5, 4))
    missed = box(SHAPE, (25, 5, 5), (4, 4, 4))
    small = box(SHAPE, (40, 5, 5), (3, 3, 3))
    prediction = (
        box(SHAPE, (5, 5, 5), (5, 5, 2))
        | box(SHAPE, (40, 5, 5), (6, 3, 3))
        | box(SHAPE, (25, 25, 22), (2, 2, 2))
    )
    scores = lesion_scores(prediction, found | missed | small, CUBE, GLI)
    assert (scores.found, scores.missed, scores.made_up) == (1, 1, 1)
    # found: Dice 2*50/150; of its 82 surface voxels 41 lie at 0, 16 at 1 and 25 at 2 mm
    assert scores.dice == pytest.approx((2 / 3) / 3)
    assert scores.hd95_mm == pytest.approx((2.0 + 374.0 + 374.0) / 3)


@pytest.mark.parametrize(("rule", "joined_up_to"), [(GLI, 6), (MET, 2)])
def test_near_lesions_are_one(rule: object, joined_up_to: int) -> None:
    """Lesions whose dilations touch, corners included, are one lesion; one voxel more, two."""
    first = box(SHAPE, (5, 5, 5), (4, 4, 4))
    for gap, lesions in ((joined_up_to, 1), (joined_up_to + 1, 2)):
        second = box(SHAPE, (9 + gap, 5, 5), (4, 4, 4))
        scores = lesion_scores(EMPTY, first | second, CUBE, rule)  # type: ignore[arg-type]
        assert (scores.missed, scores.found, scores.made_up) == (lesions, 0, 0)


def test_one_prediction_may_find_two_lesions() -> None:
    """A predicted component that touches two lesions is compared whole with each of them."""
    first, second = box(SHAPE, (5, 5, 5), (4, 4, 4)), box(SHAPE, (25, 5, 5), (4, 4, 4))
    prediction = box(SHAPE, (5, 5, 5), (24, 4, 4))
    scores = lesion_scores(prediction, first | second, CUBE, GLI)
    assert (scores.found, scores.missed, scores.made_up) == (2, 0, 0)
    assert scores.dice == pytest.approx(2 * 64 / (24 * 16 + 64))


def test_components_of_one_lesion_are_taken_together() -> None:
    """Two predicted parts of one lesion are one prediction, and neither is made up."""
    reference = box(SHAPE, (5, 5, 5), (12, 4, 4))
    prediction = box(SHAPE, (5, 5, 5), (4, 4, 4)) | box(SHAPE, (13, 5, 5), (4, 4, 4))
    scores = lesion_scores(prediction, reference, CUBE, GLI)
    assert (scores.found, scores.missed, scores.made_up) == (1, 0, 0)
    assert scores.dice == pytest.approx(2 * 128 / (128 + 192))


def test_a_near_miss_is_found_with_nothing_in_common() -> None:
    """A prediction within the dilation counts as found: Dice 0, but its own distance."""
    reference = box(SHAPE, (5, 5, 5), (4, 4, 4))
    prediction = box(SHAPE, (10, 5, 5), (1, 4, 4))
    scores = lesion_scores(prediction, reference, CUBE, GLI)
    assert (scores.found, scores.missed, scores.made_up) == (1, 0, 0)
    assert scores.dice == 0.0
    assert 0.0 < scores.hd95_mm < 10.0


def test_corners_join_predicted_components() -> None:
    """Voxels that meet at a corner are one component: one made-up lesion, not two."""
    prediction = box(SHAPE, (5, 5, 5), (1, 1, 1)) | box(SHAPE, (6, 6, 6), (1, 1, 1))
    assert lesion_scores(prediction, EMPTY, CUBE, GLI).made_up == 1


@pytest.mark.parametrize(("rule", "size", "spacing"), [
    (GLI, (5, 5, 2), CUBE),
    (GLI, (5, 5, 1), (1.0, 1.0, 2.0)),
    (MET, (2, 1, 1), CUBE),
    (MET, (1, 1, 1), (2.0, 1.0, 1.0)),
])  # fmt: skip
def test_tiny_lesions_do_not_count(
    rule: object, size: tuple[int, int, int], spacing: Spacing
) -> None:
    """At most 50 or 2 mm3 (not voxels) is left out; one voxel more counts."""
    tiny = box(SHAPE, (5, 5, 5), size)
    nothing = LesionScores(dice=1.0, hd95_mm=0.0, found=0, missed=0, made_up=0)
    assert lesion_scores(EMPTY, tiny, spacing, rule) == nothing  # type: ignore[arg-type]
    larger = tiny | box(SHAPE, (4, 5, 5), (1, 1, 1))
    assert lesion_scores(EMPTY, larger, spacing, rule).missed == 1  # type: ignore[arg-type]


def test_empty_masks() -> None:
    """Nothing there and nothing found is perfect; one of them alone is 0 and 374 mm."""
    lesion = box(SHAPE, (5, 5, 5), (4, 4, 4))
    assert lesion_scores(EMPTY, EMPTY, CUBE, GLI) == LesionScores(1.0, 0.0, 0, 0, 0)
    assert lesion_scores(EMPTY, lesion, CUBE, GLI) == LesionScores(0.0, 374.0, 0, 1, 0)
    assert lesion_scores(lesion, EMPTY, CUBE, GLI) == LesionScores(0.0, 374.0, 0, 0, 1)
    assert lesion_scores(lesion, lesion, CUBE, GLI) == LesionScores(1.0, 0.0, 1, 0, 0)


@LAW
@given(mask_pairs(), st.sampled_from(list(permutations(range(3)))))
def test_axis_order_changes_nothing(
    pair: tuple[Mask, Mask, Spacing], order: tuple[int, int, int]
) -> None:
    """Lesions are found alike whatever the axis order."""
    prediction, reference, spacing = pair
    i, j, k = (spacing[axis] for axis in order)
    here = lesion_scores(prediction, reference, spacing, MET)
    there = lesion_scores(prediction.transpose(order), reference.transpose(order), (i, j, k), MET)
    assert (here.found, here.missed, here.made_up) == (there.found, there.missed, there.made_up)
    assert here.dice == pytest.approx(there.dice)
    assert here.hd95_mm == pytest.approx(there.hd95_mm)
