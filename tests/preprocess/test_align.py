"""Registered images meet on one grid, at their places, with their values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.transform import RigidTransform
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.labels import SCHEMES
from latup_cli.preprocess.align import align, aligned_labels, aligned_mask, common_grid
from tests.preprocess.heads import head, scan_grid
from tests.properties.strategies import LAW, grids, tilt

BRATS2021 = SCHEMES["brats2021"]
THICK = (2.5, 2.5, 5.0)
MOTION = RigidTransform.about(np.array([5.0, 9.0, 4.0]), tilt(7.0), np.array([6.0, -4.0, 3.0]))


def compared(one: Volume, other: Volume) -> float:
    """Correlation of two images on one grid."""
    return float(np.corrcoef(one.data.ravel(), other.data.ravel())[0, 1])


@given(grids(smallest=3, largest=9), st.sampled_from([0.5, 1.0, 1.7]))
@LAW
def test_the_common_grid_covers_every_voxel(grid: Grid, spacing_mm: float) -> None:
    """It runs along the RAS axes, is isotropic, covers each outer corner, and wastes no voxel."""
    common = common_grid(grid, spacing_mm)
    assert axis_codes(common) == "RAS"
    np.testing.assert_allclose(common.ras_from_voxel[:3, :3], spacing_mm * np.eye(3))
    outer = Grid((2, 2, 2), grid.ras_from_voxel @ _to_faces(grid)).corners_ras_mm()
    index = (outer - common.ras_from_voxel[:3, 3]) / spacing_mm
    assert (index > -0.5 - 2e-3).all()
    assert (index < np.array(common.shape) - 0.5 + 2e-3).all()
    unused = np.array(common.shape) - np.ptp(index, axis=0)
    assert (unused < 1.0 + 1e-3).all()


def test_images_meet_where_they_were_registered() -> None:
    """A thick-sliced image of a moved head lies over the unmoved head, on the common grid."""
    still = head(scan_grid(THICK, np.eye(3)))
    moving = head(scan_grid((5.0, 2.0, 2.0), tilt(5.0)), "t1ce", MOTION)
    grid = common_grid(still.grid, 4.0)
    done = align({"t1ce": still, "t1": moving}, {"t1": MOTION}, grid)
    exact = head(grid)
    assert {image.grid.matches(grid) for image in done.values()} == {True}
    assert compared(done["t1ce"], exact) > 0.98
    assert compared(done["t1"], exact) > 0.98
    assert compared(align({"t1": moving}, {}, grid)["t1"], exact) < 0.95


def test_nothing_is_invented() -> None:
    """Aligned values stay in the image's range, are float32, and 0 beyond the field of view."""
    image = head(scan_grid(THICK, tilt(12.0)))
    wide = scan_grid((3.0, 3.0, 3.0), np.eye(3), half_mm=200.0)
    done = align({"t1ce": image}, {"t1ce": MOTION}, wide)["t1ce"]
    assert done.data.dtype == np.float32
    assert done.data.min() == 0.0
    assert done.data.max() <= image.data.max()
    assert not done.data[0].any()


def test_a_stripped_brain_does_not_grow() -> None:
    """What is not 0 after alignment has the volume that it had in thick slices, within 3 %."""
    moving = head(scan_grid(THICK, tilt(4.0)), "t1ce", MOTION)
    grid = common_grid(moving.grid, 3.0)
    before = Mask(moving.data != 0.0, moving.grid)
    after = Mask(align({"t1": moving}, {"t1": MOTION}, grid)["t1"].data != 0.0, grid)
    assert after.volume_ml == pytest.approx(before.volume_ml, rel=0.03)


def test_a_mask_keeps_its_volume_and_place() -> None:
    """A moved mask of thick slices comes back within 3 % of its volume, over the head."""
    moving = head(scan_grid(THICK, tilt(4.0)), "t1ce", MOTION)
    grid = scan_grid((3.0, 3.0, 3.0), np.eye(3))
    mask = Mask(moving.data > 250.0, moving.grid)
    done = aligned_mask(mask, grid, MOTION)
    expected = head(grid).data > 250.0
    shared = 2.0 * np.count_nonzero(done.data & expected)
    assert done.volume_ml == pytest.approx(mask.volume_ml, rel=0.03)
    assert shared / (np.count_nonzero(done.data) + np.count_nonzero(expected)) > 0.97


def test_labels_are_never_mixed() -> None:
    """Between labels 1 and 4 no 2 appears, and each keeps its volume within 5 %."""
    grid = scan_grid((3.0, 3.0, 3.0), np.eye(3))
    image = head(grid).data
    labels = LabelMap(
        np.select([image > 700.0, image > 250.0], [4, 1], 0).astype(np.uint8), grid, BRATS2021
    )
    native = scan_grid((2.0, 2.0, 4.0), tilt(10.0))
    done = aligned_labels(labels, native)
    assert set(np.unique(done.data).tolist()) == {0, 1, 4}
    for value in (1, 4):
        before = np.count_nonzero(labels.data == value) * grid.voxel_ml
        after = np.count_nonzero(done.data == value) * native.voxel_ml
        assert after == pytest.approx(before, rel=0.05)


def test_a_label_on_its_own_grid_does_not_move() -> None:
    """Without a motion, the same grid gives back the very same voxels."""
    grid = scan_grid((7.0, 6.0, 9.0), tilt(20.0))
    data = np.random.default_rng(4).choice([0, 1, 2, 4], grid.shape).astype(np.uint8)
    np.testing.assert_array_equal(aligned_labels(LabelMap(data, grid, BRATS2021), grid).data, data)


def _to_faces(grid: Grid) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(4, 4) from the index of a 2 x 2 x 2 lattice to voxel indices at the outer corners."""
    matrix = np.diag([*map(float, grid.shape), 1.0])
    matrix[:3, 3] = -0.5
    return matrix
