"""The way back from the model's grid to the aligned images, and from there to the T1ce."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import PreparedStudy
from latup_cli.preprocess.resample import resample

_Voxel = TypeVar("_Voxel", bound=np.generic)


def to_native_block(
    scores: npt.NDArray[np.float32], prepared: PreparedStudy
) -> npt.NDArray[np.float32]:
    """Bring scores from the model's spacing to that of the input, by linear interpolation.

    Args:
        scores: (n, i, j, k) on `prepared.grid`.
        prepared: What the scores belong to.

    Returns:
        (n, i, j, k) on `prepared.placement.block`.
    """
    block = prepared.placement.block
    if prepared.grid.matches(block):
        return scores
    return np.stack([resample(score, prepared.grid, block) for score in scores])


def to_native(block: npt.NDArray[_Voxel], prepared: PreparedStudy) -> npt.NDArray[_Voxel]:
    """Put a block of voxels back where it was cut out, in the axis order of the aligned images.

    Args:
        block: (i, j, k) on `prepared.placement.block`.
        prepared: What the block belongs to.

    Returns:
        (i, j, k) on the grid of the aligned images; 0 outside the block.
    """
    placement = prepared.placement
    native = np.zeros(placement.native.shape, dtype=block.dtype, order="F")  # as files have it
    placement.turn.apply(native)[placement.box.slices] = block
    return native


def onto(
    scores: npt.NDArray[np.float32], prepared: PreparedStudy, target: Grid
) -> npt.NDArray[np.float32]:
    """Bring scores to a grid that shares scanner space with the aligned images.

    Labels are decided after this, never interpolated.

    Args:
        scores: (n, i, j, k) on `prepared.placement.block`.
        prepared: What the scores belong to.
        target: Such as that of the T1ce as it came.

    Returns:
        (n, i, j, k) on the target, linearly interpolated; 0 outside the block.
    """
    block = prepared.placement.block
    return np.stack([resample(score, block, target) for score in scores])
