"""Distances between surfaces, by hand and by law."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.evaluation.surface import hausdorff95, surface_distances, surface_voxels
from tests.evaluation.masks import Mask, Spacing, box, mask_pairs
from tests.properties.strategies import LAW

SHAPE = (24, 7, 26)
ANISOTROPIC = (2.0, 0.7, 3.0)


def test_two_voxels_lie_as_far_apart_as_their_centers() -> None:
    """The distance is in mm along each axis, not in voxels."""
    one, other = box(SHAPE, (4, 1, 5), (1, 1, 1)), box(SHAPE, (7, 5, 5), (1, 1, 1))
    expected = np.hypot(3 * 2.0, 4 * 0.7)
    assert hausdorff95(one, other, ANISOTROPIC) == pytest.approx(expected)


def test_the_percentile_is_interpolated() -> None:
    """Ten distances of 0 and one of 10 voxels of 3 mm have 15 mm as their 95th percentile."""
    reference = box(SHAPE, (0, 3, 3), (1, 1, 10))
    prediction = reference | box(SHAPE, (0, 3, 22), (1, 1, 1))
    assert hausdorff95(prediction, reference, ANISOTROPIC) == pytest.approx(15.0)


def test_the_worse_direction_counts() -> None:
    """A missed half is as bad as a made-up one."""
    small, large = box(SHAPE, (2, 2, 2), (1, 1, 3)), box(SHAPE, (2, 2, 2), (1, 1, 20))
    one, other = (hausdorff95(*pair, (1.0, 1.0, 1.0)) for pair in ((small, large), (large, small)))
    assert one == other == pytest.approx(np.percentile([0] * 3 + list(range(1, 18)), 95))


def test_few_outliers_do_not_count() -> None:
    """Less than 5 percent of a surface may be anywhere: HD95 0 does not mean equal masks."""
    reference = box(SHAPE, (0, 0, 0), (24, 1, 1))
    prediction = reference | box(SHAPE, (0, 6, 25), (1, 1, 1))
    assert hausdorff95(prediction, reference, ANISOTROPIC) == 0.0


@pytest.mark.parametrize("swapped", [False, True])
def test_one_empty_mask_costs_the_diagonal(swapped: bool) -> None:
    """BraTS counts 373.13 mm if one mask is empty, whichever it is."""
    pair = (np.zeros(SHAPE, dtype=bool), box(SHAPE, (1, 1, 1), (2, 2, 2)))
    prediction, reference = pair[::-1] if swapped else pair
    assert hausdorff95(prediction, reference, ANISOTROPIC) == 373.13
    assert hausdorff95(prediction, reference, ANISOTROPIC, one_empty_mm=374.0) == 374.0


def test_two_empty_masks_agree() -> None:
    """BraTS counts 0 mm if nothing is there and nothing was found."""
    empty = np.zeros(SHAPE, dtype=bool)
    assert hausdorff95(empty, empty, ANISOTROPIC) == 0.0


def test_surface_voxels_touch_the_outside_by_a_face() -> None:
    """A 4 x 4 x 4 block has 8 inner voxels; its edge towards the image's end is a surface too."""
    for start in ((3, 1, 2), (0, 0, 0), (20, 3, 22)):
        block = box(SHAPE, start, (4, 4, 4))
        found = surface_voxels(block)
        assert len(found) == 64 - 8
        assert block[tuple(found.T)].all()


@LAW
@given(mask_pairs(), st.sampled_from(list(permutations(range(3)))), st.booleans())
def test_axis_order_changes_nothing(
    pair: tuple[Mask, Mask, Spacing], order: tuple[int, int, int], flipped: bool
) -> None:
    """HD95 stays the same when both masks and the spacing are stored in another axis order."""
    prediction, reference, spacing = pair
    step = -1 if flipped else 1
    turned = [mask.transpose(order)[::step] for mask in (prediction, reference)]
    i, j, k = (spacing[axis] for axis in order)
    expected = hausdorff95(prediction, reference, spacing)
    assert hausdorff95(turned[0], turned[1], (i, j, k)) == pytest.approx(expected)


@LAW
@given(mask_pairs())
def test_symmetric_and_zero_for_equal_masks(pair: tuple[Mask, Mask, Spacing]) -> None:
    """The order of the masks changes nothing, and a mask lies 0 mm from itself."""
    prediction, reference, spacing = pair
    value = hausdorff95(prediction, reference, spacing)
    assert value == hausdorff95(reference, prediction, spacing)
    assert hausdorff95(reference, reference, spacing) == 0.0


@LAW
@given(mask_pairs())
def test_all_surface_distances_are_zero_only_between_equal_masks(
    pair: tuple[Mask, Mask, Spacing],
) -> None:
    """Every surface voxel lies on the other's surface if and only if the masks are equal."""
    prediction, reference, spacing = pair
    if not (prediction.any() and reference.any()):
        return
    there, back = surface_distances(prediction, reference, spacing)
    all_zero = not there.any() and not back.any()
    assert all_zero == np.array_equal(prediction, reference)
