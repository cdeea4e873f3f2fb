"""Resampling keeps constants, averages what it joins, and never looks beyond the image."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.preprocess.resample import _by_itk, resample, same_spacing
from tests.properties.strategies import LAW, SEEDS, grids, make_grid, tilt, triples, world


def source_index(target: Grid, source: Grid) -> npt.NDArray[np.float64]:
    """(i, j, k, 3) of the target: where each of its voxels lies in source voxels."""
    index = np.moveaxis(np.indices(target.shape), 0, -1).reshape(-1, 3)
    voxel_from_ras = np.linalg.inv(source.ras_from_voxel)
    points = world(target, index) @ voxel_from_ras[:3, :3].T + voxel_from_ras[:3, 3]
    return np.asarray(points.reshape(*target.shape, 3))


def within(target: Grid, source: Grid, margin: float) -> npt.NDArray[np.bool_]:
    """Target voxels whose centers lie in the source's block, grown by a margin in voxels."""
    points = source_index(target, source)
    low, high = -0.5 - margin, np.array(source.shape) - 0.5 + margin
    return np.asarray(((points >= low) & (points <= high)).all(axis=-1))


@given(grids(smallest=4, largest=9), grids(smallest=4, largest=9), st.floats(1.0, 1000.0))
@LAW
def test_a_constant_stays_constant_inside_and_is_0_outside(
    source: Grid, other: Grid, value: float
) -> None:
    """Any grid at any angle through a constant image sees that constant, and 0 beyond it."""
    affine = other.ras_from_voxel.copy()
    middle = (np.array(other.shape) - 1) / 2
    affine[:3, 3] += world(source, (np.array(source.shape) - 1) / 2) - world(other, middle)
    target = Grid(other.shape, affine)
    moved = resample(np.full(source.shape, value, dtype=np.float32), source, target)
    certainly_inside = within(target, source, -1e-3)
    certainly_outside = ~within(target, source, 1e-3)
    np.testing.assert_allclose(moved[certainly_inside], value, rtol=1e-3)
    assert not moved[certainly_outside].any()
    assert moved.dtype == np.float32


@given(grids(), SEEDS)
@LAW
def test_half_the_resolution_is_the_mean_of_eight(grid: Grid, seed: int) -> None:
    """At twice the spacing a voxel is the mean of the eight that it covers."""
    fine = Grid((6, 4, 8), grid.ras_from_voxel)
    image = np.random.default_rng(seed).normal(size=fine.shape).astype(np.float32)
    i, j, k = (2.0 * mm for mm in fine.spacing_mm)
    coarse = resample(image, fine, fine.respaced((i, j, k)))
    expected = image.reshape(3, 2, 2, 2, 4, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(coarse, expected, atol=1e-5)


@given(grids(smallest=4), SEEDS)
@LAW
def test_the_same_grid_changes_nothing(grid: Grid, seed: int) -> None:
    """Resampling onto the grid that an image lies on returns the image."""
    image = np.random.default_rng(seed).normal(size=grid.shape).astype(np.float32)
    np.testing.assert_allclose(resample(image, grid, grid), image, atol=1e-5)


@given(grids(smallest=4), triples(0.5, 1.9))
@LAW
def test_a_ramp_is_followed_exactly(grid: Grid, factors: tuple[float, float, float]) -> None:
    """Linear interpolation gives the intensity of a ramp at each new voxel's true place."""
    slope = np.array([0.3, -0.2, 0.5])
    points = np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3)
    ramp = (points @ slope).reshape(grid.shape).astype(np.float32)
    i, j, k = np.multiply(grid.spacing_mm, factors).tolist()
    target = grid.respaced((i, j, k))
    index = source_index(target, grid)
    between = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=-1)
    expected = index @ slope
    moved = resample(ramp, grid, target)
    np.testing.assert_allclose(moved[between], expected[between], atol=1e-4)


def test_a_much_coarser_grid_overlooks_no_voxel() -> None:
    """At four times the spacing, a single bright voxel counts about the same wherever it lies."""
    fine = make_grid((32, 32, 32), (1.0, 1.0, 1.0), tilt(5.0))
    coarse = fine.respaced((4.0, 4.0, 4.0))
    totals = []
    for offset in range(4):
        image = np.zeros(fine.shape, dtype=np.float32)
        image[14 + offset, 15, 16] = 1.0
        totals.append(64.0 * float(resample(image, fine, coarse).sum()))
    assert totals == pytest.approx([1.0] * 4, rel=0.2)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_axes_changes_no_value(order: tuple[int, int, int]) -> None:
    """Thick slices see the same of an image whichever axis they are stored along."""
    fine = make_grid((24, 20, 28), (1.0, 1.0, 1.0), tilt(4.0))
    image = np.random.default_rng(3).normal(size=fine.shape).astype(np.float32)
    thick = fine.respaced((1.0, 1.5, 5.0))
    turned = thick.ras_from_voxel[:, [*order, 3]]
    i, j, k = (thick.shape[axis] for axis in order)
    moved = resample(image, fine, Grid((i, j, k), turned))
    np.testing.assert_allclose(moved, resample(image, fine, thick).transpose(order), atol=1e-5)


@pytest.mark.parametrize(("spacing_mm", "same"), [(1.0, True), (1.005, True), (1.02, False)])
def test_spacings_that_nobody_could_tell_apart_count_as_the_same(
    spacing_mm: float, same: bool
) -> None:
    """Half a percent is the scanner's rounding, two percent are another spacing."""
    grid = make_grid((4, 5, 6), (1.0, 1.0, 1.0), tilt(3.0))
    assert same_spacing(grid, (1.0, 1.0, spacing_mm)) is same


@given(grids(smallest=3, largest=9), triples(0.4, 2.04), SEEDS)
@LAW
def test_along_the_same_axes_it_interpolates_as_itk_does(
    grid: Grid, factors: tuple[float, float, float], seed: int
) -> None:
    """Axis by axis, to a coarser or finer grid, and back: the figures of ITK's interpolation."""
    i, j, k = np.multiply(grid.spacing_mm, factors).tolist()
    other = grid.respaced((i, j, k))
    rng = np.random.default_rng(seed)
    for source, target in ((grid, other), (other, grid)):
        image = rng.normal(size=source.shape).astype(np.float32)
        sure = within(target, source, -1e-2) | ~within(target, source, 1e-2)
        ours, theirs = resample(image, source, target), _by_itk(image, source, target)
        np.testing.assert_allclose(ours[sure], theirs[sure], atol=1e-4)
