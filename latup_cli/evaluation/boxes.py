"""The block of voxels that a comparison needs to look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box


def bounding_box(mask: npt.NDArray[np.bool_], *, margin: int = 0) -> Box:
    """The smallest box around a mask, wider by a margin but never beyond the array.

    Args:
        mask: (i, j, k) bool; the box of an empty mask is empty.
        margin: Voxels to add on every side.
    """
    start, stop = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if not filled.size:
            return Box((0, 0, 0), (0, 0, 0))
        start.append(max(0, int(filled[0]) - margin))
        stop.append(min(mask.shape[axis], int(filled[-1]) + 1 + margin))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
