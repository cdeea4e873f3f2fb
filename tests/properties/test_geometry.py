"""Laws of grids: the bridge to ITK, cropping, other spacings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.volume import Volume
from latup_cli.imaging.itk import array_from_itk, from_itk, to_itk
from tests.properties.strategies import LAW, grids, rotation, triples, volumes, voxels_of, world


@given(volumes())
@LAW
def test_itk_gives_back_what_it_was_given(volume: Volume) -> None:
    """A volume that goes to SimpleITK and back has the same voxels at the same place."""
    back = from_itk(to_itk(volume.data, volume.grid))
    assert back.grid.matches(volume.grid, tolerance_mm=1e-6)
    np.testing.assert_array_equal(back.data, volume.data)


@given(volumes(), st.data())
@LAW
def test_itk_agrees_about_where_a_voxel_is(volume: Volume, data: st.DataObject) -> None:
    """For any voxel, ITK's physical point is our RAS+ point with x and y negated."""
    voxel = data.draw(voxels_of(volume.grid.shape))
    image = to_itk(volume.data, volume.grid)
    lps = np.array(image.TransformIndexToPhysicalPoint(voxel))
    np.testing.assert_allclose(lps * [-1, -1, 1], world(volume.grid, voxel), atol=1e-6)
    assert image.GetPixel(*voxel) == volume.data[voxel]


@given(grids())
@LAW
def test_itk_keeps_the_number_type(grid: Grid) -> None:
    """Label numbers come back from ITK as the unsigned bytes that they were."""
    labels = np.arange(np.prod(grid.shape), dtype=np.uint64).reshape(grid.shape).astype(np.uint8)
    back = array_from_itk(to_itk(labels, grid))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, labels)


@given(grids(), st.data())
@LAW
def test_cropping_moves_no_voxel(grid: Grid, data: st.DataObject) -> None:
    """A voxel of a crop lies where it lay before, also where the box reaches beyond the grid."""
    start = data.draw(st.tuples(*[st.integers(-3, 3)] * 3))
    size = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    i, j, k = (a + n for a, n in zip(start, size, strict=True))
    crop = grid.crop(Box(start, (i, j, k)))
    voxel = data.draw(voxels_of(crop.shape))
    assert crop.shape == size
    np.testing.assert_allclose(world(crop, voxel), world(grid, np.add(voxel, start)), atol=1e-9)


@given(grids(), triples(0.4, 5.0))
@LAW
def test_another_spacing_keeps_the_outer_faces(
    grid: Grid, spacing_mm: tuple[float, float, float]
) -> None:
    """The near faces of the first voxels coincide, and the axes keep their directions."""
    respaced = grid.respaced(spacing_mm)
    np.testing.assert_allclose(respaced.spacing_mm, spacing_mm, rtol=1e-9)
    near_face = world(grid, [-0.5] * 3)
    np.testing.assert_allclose(world(respaced, [-0.5] * 3), near_face, atol=1e-8)
    directions = respaced.ras_from_voxel[:3, :3] / respaced.spacing_mm
    np.testing.assert_allclose(directions, grid.ras_from_voxel[:3, :3] / grid.spacing_mm, atol=1e-9)


@given(grids(), triples(0.4, 5.0))
@LAW
def test_another_spacing_covers_the_old_block(
    grid: Grid, spacing_mm: tuple[float, float, float]
) -> None:
    """The last voxels reach to the old far faces, to a thousandth, and less than one beyond."""
    respaced = grid.respaced(spacing_mm)
    old_mm = np.multiply(grid.shape, grid.spacing_mm)
    new_mm = np.multiply(respaced.shape, respaced.spacing_mm)
    assert (new_mm >= old_mm - np.multiply(0.001, spacing_mm)).all()
    assert (new_mm < old_mm + spacing_mm).all()


@given(grids())
@LAW
def test_half_resolution_joins_whole_voxels(grid: Grid) -> None:
    """At twice the spacing, each new center is the common corner of eight old voxels."""
    i, j, k = (2.0 * mm for mm in grid.spacing_mm)
    coarse = grid.respaced((i, j, k))
    assert coarse.shape == tuple(-(-n // 2) for n in grid.shape)
    np.testing.assert_allclose(world(coarse, [1, 0, 0]), world(grid, [2.5, 0.5, 0.5]), atol=1e-8)


@given(grids(), st.sampled_from(list(permutations(range(3)))), st.tuples(*[st.booleans()] * 3))
@LAW
def test_volume_does_not_depend_on_axis_order(
    grid: Grid, order: tuple[int, int, int], mirrored: tuple[bool, bool, bool]
) -> None:
    """Swapping and mirroring axes changes the volume of a voxel by nothing."""
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[:, order] * np.where(mirrored, -1.0, 1.0)
    turned = Grid(grid.shape, grid.ras_from_voxel @ turn)
    assert turned.voxel_ml == pytest.approx(grid.voxel_ml, rel=1e-12)
    assert grid.voxel_ml == pytest.approx(float(np.prod(grid.spacing_mm)) / 1000.0, rel=1e-9)


@given(grids(), st.integers(0, 10_000), st.floats(0.01, 2.0))
@LAW
def test_grids_match_within_a_tolerance(grid: Grid, seed: int, tolerance_mm: float) -> None:
    """A shift below the tolerance still matches, one above it does not, whichever is asked."""
    direction = rotation(seed)[0]
    for share, expected in ((0.0, True), (0.9, True), (1.1, False)):
        affine = grid.ras_from_voxel.copy()
        affine[:3, 3] += share * tolerance_mm * direction
        shifted = Grid(grid.shape, affine)
        assert grid.matches(shifted, tolerance_mm=tolerance_mm) is expected
        assert shifted.matches(grid, tolerance_mm=tolerance_mm) is expected
