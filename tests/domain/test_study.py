"""A study as it came, and aligned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.study import (
    AlignedStudy,
    FoundFile,
    Placement,
    SpatialCodes,
    Study,
    StudyFiles,
)
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError
from tests.properties.strategies import make_grid, tilt, world

SHAPE = (5, 6, 7)


def image(shift_mm: float) -> Volume:
    """An empty image, a little to the right."""
    affine = np.eye(4)
    affine[0, 3] = shift_mm
    return Volume(np.zeros(SHAPE, dtype=np.float32), Grid(SHAPE, affine))


def study(*shifts_mm: float) -> Study:
    """One modality for each shift, the T1ce first."""
    names = ("t1ce", "t1", "t2", "flair")[: len(shifts_mm)]
    files = StudyFiles("s", {name: FoundFile(Path(name), "given") for name in names})
    images = dict(zip(names, map(image, shifts_mm), strict=True))
    return Study(files, images, SpatialCodes(1, 1))


def test_a_study_lies_where_its_t1ce_lies() -> None:
    """Results go back to the grid of the T1ce; headers may be rounded, and no more than that."""
    assert study(0.25, 0.0).grid.ras_from_voxel[0, 3] == 0.25
    assert study(0.0, 0.001, 0.09).on_one_grid
    assert not study(0.0, 0.0, 0.0, 0.5).on_one_grid


def test_modalities_that_lie_apart_are_refused() -> None:
    """An aligned study whose images do not share the brain's grid cannot be made."""
    brain = Mask(np.ones(SHAPE, dtype=np.bool_), image(0.0).grid)
    assert AlignedStudy({"t1": image(0.001)}, brain).grid.shape == SHAPE
    with pytest.raises(GeometryError):
        AlignedStudy({"t1": image(0.0), "t2": image(0.5)}, brain)


def test_a_placement_knows_where_its_block_lies() -> None:
    """The first voxel of the turned and cropped block lies where it lies in the input."""
    native = make_grid(SHAPE, (1.0, 2.0, 3.0), tilt(9.0))
    turn = reorientation(native, "LPS")
    block = Placement(native, turn, Box((1, 2, 3), (4, 5, 6))).block
    assert block.shape == (3, 3, 3)
    np.testing.assert_allclose(world(block, [0, 0, 0]), world(native, [3, 3, 3]), atol=1e-9)
