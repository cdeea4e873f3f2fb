"""Bring arrays into a named axis order and back, without touching a voxel's value or place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.errors import GeometryError

_Voxel = TypeVar("_Voxel", bound=np.generic)
_DIRECTIONS = ("LR", "PA", "IS")
"""Negative and positive direction of the three RAS+ axes."""


def axis_codes(grid: Grid) -> str:
    """Where i, j, k point to, such as "LPS"; for oblique grids, the closest direction."""
    codes = ""
    for voxel_axis, ras_axis in enumerate(_closest_axes(grid)):
        positive = grid.ras_from_voxel[ras_axis, voxel_axis] > 0
        codes += _DIRECTIONS[ras_axis][int(positive)]
    return codes


@dataclass(frozen=True, slots=True)
class Reorientation:
    """A permutation and flips that lead from one axis order to another.

    Attributes:
        order: Source axis that becomes target axis 0, 1, 2.
        flipped: Whether each target axis runs against its source axis.
    """

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: npt.NDArray[_Voxel]) -> npt.NDArray[_Voxel]:
        """Source (i, j, k) array to a view of it in the target order."""
        return array.transpose(self.order)[self._flips]

    def undo(self, array: npt.NDArray[_Voxel]) -> npt.NDArray[_Voxel]:
        """Target (i, j, k) array to a view of it in the source order."""
        return array[self._flips].transpose(np.argsort(self.order).tolist())

    def grid(self, source: Grid) -> Grid:
        """The lattice that belongs to the reoriented array."""
        shape = tuple(source.shape[axis] for axis in self.order)
        source_from_target = np.zeros((4, 4))
        source_from_target[3, 3] = 1.0
        for target, (axis, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            source_from_target[axis, target] = -1.0 if flip else 1.0
            source_from_target[axis, 3] = source.shape[axis] - 1 if flip else 0.0
        return Grid((shape[0], shape[1], shape[2]), source.ras_from_voxel @ source_from_target)

    @property
    def _flips(self) -> tuple[slice, slice, slice]:
        i, j, k = (slice(None, None, -1) if flip else slice(None) for flip in self.flipped)
        return i, j, k


def reorientation(grid: Grid, codes: str) -> Reorientation:
    """What brings arrays on `grid` into the axis order `codes`, such as "RAS".

    Raises:
        GeometryError: If `codes` does not name three different anatomical axes.
    """
    have = axis_codes(grid)
    order = [_axis_along(have, code) for code in codes]
    if sorted(order) != [0, 1, 2]:
        raise GeometryError(f"'{codes}' does not name three anatomical axes.")
    i, j, k = order
    fi, fj, fk = (have[axis] != code for axis, code in zip(order, codes, strict=True))
    return Reorientation((i, j, k), (fi, fj, fk))


def _axis_along(have: str, code: str) -> int:
    pair = next((pair for pair in _DIRECTIONS if code in pair), None)
    if pair is None:
        raise GeometryError(f"'{code}' is not one of the directions L, R, P, A, I, S.")
    return next(axis for axis, letter in enumerate(have) if letter in pair)


def _closest_axes(grid: Grid) -> tuple[int, int, int]:
    """RAS axis of each voxel axis: the assignment with the largest product of cosines."""
    cosines = np.abs(grid.ras_from_voxel[:3, :3] / grid.spacing_mm)
    i, j, k = max(
        permutations(range(3)), key=lambda axes: float(np.prod(cosines[list(axes), [0, 1, 2]]))
    )
    return i, j, k
