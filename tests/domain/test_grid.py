"""Grids refuse what has no place in space, and boxes cut what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Box, Grid
from latup_cli.errors import GeometryError
from latup_cli.imaging.itk import to_itk

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def sheared() -> Grid:
    """A lattice whose j axis leans toward i."""
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[0, 1] = 0.2
    return Grid((3, 4, 5), affine)


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.zeros((4, 4)), np.diag([1.0, 1.0, 0.0, 1.0]), np.full((4, 4), np.nan)],
)
def test_an_affine_without_a_place_is_refused(affine: np.ndarray) -> None:
    """A matrix of another size, a singular one, and one with NaN are geometry errors."""
    with pytest.raises(GeometryError):
        Grid((3, 4, 5), affine)


def test_the_affine_cannot_change_afterwards() -> None:
    """A grid keeps its own copy of the affine, and nobody can write to it."""
    affine = AFFINE.copy()
    grid = Grid((3, 4, 5), affine)
    affine[0, 0] = 7.0
    assert grid.spacing_mm == (2.0, 3.0, 4.0)
    with pytest.raises(ValueError, match="read-only"):
        grid.ras_from_voxel[0, 0] = 7.0


def test_spacing_and_volume_have_units() -> None:
    """2 by 3 by 4 mm make 24 mm3, which is 0.024 mL."""
    grid = Grid((3, 4, 5), AFFINE)
    assert grid.voxel_ml == pytest.approx(0.024)
    assert grid.corners_ras_mm().min(axis=0).tolist() == [0.0, 0.0, 0.0]
    assert grid.corners_ras_mm().max(axis=0).tolist() == [4.0, 9.0, 16.0]


def test_a_sheared_grid_is_no_itk_image() -> None:
    """Shear is seen, its voxel volume is right, and the bridge to ITK refuses it."""
    grid = sheared()
    assert not grid.is_orthogonal
    assert grid.voxel_ml == pytest.approx(0.001)
    with pytest.raises(GeometryError, match="shear"):
        to_itk(np.zeros(grid.shape, dtype=np.float32), grid)


def test_grids_of_different_shape_never_match() -> None:
    """Even at the same place, three slices are not four."""
    assert not Grid((3, 4, 5), AFFINE).matches(Grid((3, 4, 4), AFFINE), tolerance_mm=100.0)


def test_a_box_cuts_what_it_says() -> None:
    """The shape of a box is the shape of what its slices cut out."""
    box = Box((1, 0, 2), (3, 4, 5))
    assert np.zeros((6, 7, 8))[box.slices].shape == box.shape == (2, 4, 3)


def test_spacing_that_rounding_spoiled_adds_no_voxel() -> None:
    """240 voxels of 1 mm, stored in single precision, become 120 of 2 mm and not 121."""
    affine = np.diag([1.0000001, 0.9999999, 1.0, 1.0])
    assert Grid((240, 240, 155), affine).respaced((2.0, 2.0, 2.0)).shape == (120, 120, 78)


@given(st.integers(0, 2**32 - 1))
def test_a_box_around_a_mask_is_tight(seed: int) -> None:
    """The box holds every voxel of the mask, and each of its six faces touches one."""
    random = np.random.default_rng(seed)
    mask = random.random((7, 9, 11)) < 0.005
    mask[tuple(random.integers(0, mask.shape))] = True
    found = np.argwhere(mask)
    assert Box.around(mask).start == tuple(found.min(axis=0))
    assert Box.around(mask).stop == tuple(found.max(axis=0) + 1)


def test_a_box_stays_inside_the_array() -> None:
    """A margin widens the box, but not beyond the image; an empty mask has an empty box."""
    mask = np.zeros((5, 6, 26), dtype=np.bool_)
    assert Box.around(mask, margin=2).shape == (0, 0, 0)
    mask[1:4, 2:4, 20:25] = True
    assert Box.around(mask, margin=2) == Box((0, 0, 18), (5, 6, 26))
