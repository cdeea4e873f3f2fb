"""Where voxels are: a shape, and the affine that puts voxel indices into RAS+ millimetres."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.errors import GeometryError

Shape: TypeAlias = tuple[int, int, int]
"""Voxels, or another count, along i, j, k."""

Affine: TypeAlias = npt.NDArray[np.float64]
"""(4, 4), homogeneous. Named `target_from_source`, so that products read right to left."""

_SMALLEST_MM3 = 1e-9
_RIGHT_ANGLE = 0.01  # cosine
_WHOLE = 1e-3  # of a voxel: single precision, in which files keep affines, spoils less


@dataclass(frozen=True, slots=True)
class Box:
    """A block of voxels, `start` included and `stop` not, both (i, j, k)."""

    start: Shape
    stop: Shape

    @classmethod
    def around(cls, mask: npt.NDArray[np.bool_], *, margin: int = 0) -> Self:
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
                return cls((0, 0, 0), (0, 0, 0))
            start.append(max(0, int(filled[0]) - margin))
            stop.append(min(mask.shape[axis], int(filled[-1]) + 1 + margin))
        return cls((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    @property
    def shape(self) -> Shape:
        """Voxels along i, j, k."""
        i, j, k = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """What cuts the box out of an (i, j, k) array."""
        i, j, k = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A regular voxel lattice placed in the scanner.

    Attributes:
        shape: Voxels along i, j, k.
        ras_from_voxel: (4, 4) float64, voxel index (center) to RAS+ mm. Read-only copy.

    Raises:
        GeometryError: If the affine is not (4, 4), not finite, or not invertible.
    """

    shape: Shape
    ras_from_voxel: Affine

    def __post_init__(self) -> None:
        affine = np.array(self.ras_from_voxel, dtype=np.float64)
        if affine.shape != (4, 4):
            raise GeometryError(f"An affine must be 4 by 4, not {affine.shape}.")
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SMALLEST_MM3:
            raise GeometryError("The affine is not invertible: the image has no size in space.")
        affine.flags.writeable = False
        object.__setattr__(self, "ras_from_voxel", affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm between neighboring voxel centers along i, j, k."""
        i, j, k = np.linalg.norm(self.ras_from_voxel[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in milliliters; correct for oblique and sheared lattices."""
        return float(abs(np.linalg.det(self.ras_from_voxel[:3, :3]))) / 1000.0

    @property
    def is_orthogonal(self) -> bool:
        """Whether the axes meet at right angles, to about half a degree.

        Headers are rounded and registrations are not exact; real shear is several degrees.
        """
        axes = self.ras_from_voxel[:3, :3] / self.spacing_mm
        return bool(np.allclose(axes.T @ axes, np.eye(3), rtol=0.0, atol=_RIGHT_ANGLE))

    def corners_ras_mm(self) -> npt.NDArray[np.float64]:
        """(8, 3) centers of the corner voxels in RAS+ mm."""
        corners = np.array(list(itertools.product(*((0, n - 1) for n in self.shape))), dtype=float)
        return corners @ self.ras_from_voxel[:3, :3].T + self.ras_from_voxel[:3, 3]

    def matches(self, other: Grid, *, tolerance_mm: float = 0.01) -> bool:
        """Whether every voxel of both lattices lies at the same place, within a tolerance."""
        if self.shape != other.shape:
            return False
        gap = np.linalg.norm(self.corners_ras_mm() - other.corners_ras_mm(), axis=1)
        return float(gap.max()) <= tolerance_mm

    def crop(self, box: Box) -> Grid:
        """The part of the lattice inside a box, which may also reach beyond the lattice."""
        cropped_from_voxel = np.eye(4)
        cropped_from_voxel[:3, 3] = box.start
        return Grid(box.shape, self.ras_from_voxel @ cropped_from_voxel)

    def respaced(self, spacing_mm: tuple[float, float, float]) -> Grid:
        """A lattice of another spacing along the same axes that covers the same block of space.

        The outer faces of the first voxels coincide, so that a voxel of twice the spacing is
        exactly eight old ones; the last voxels reach to the old far faces or beyond.
        """
        scale = np.divide(spacing_mm, self.spacing_mm)
        i, j, k = np.ceil(self.shape / scale - _WHOLE).astype(int)
        old_from_new = np.diag([*scale, 1.0])
        old_from_new[:3, 3] = (scale - 1.0) / 2.0
        return Grid((int(i), int(j), int(k)), self.ras_from_voxel @ old_from_new)
