"""The way back from the model's grid to the input's array."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

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
    """Put a block of native voxels back where it was cut out, in the input's axis order.

    Args:
        block: (i, j, k) on `prepared.placement.block`.
        prepared: What the block belongs to.

    Returns:
        (i, j, k) on the input's grid; 0 outside the block.
    """
    placement = prepared.placement
    turned = np.zeros(placement.turn.grid(placement.native).shape, dtype=block.dtype)
    turned[placement.box.slices] = block
    return np.ascontiguousarray(placement.turn.undo(turned))
