"""What a scanner sees of a head: slices of a thickness, a patient who moves, noise and shading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from latup_cli.domain.grid import Affine, Grid
from phantom.fields import Array

_PLANES = {
    # columns run to, rows run to, slices run to: RAS+
    "axial": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "sagittal": ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    "coronal": ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
_PROFILE = 5  # samples across a slice
_SHADING = 0.06


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where slices lie.

    Attributes:
        plane: "axial", "sagittal" or "coronal".
        tilt_deg: Rotation of the block of slices about R, A and S.
        columns: Voxels along a row.
        rows: Voxels along a column.
        slices: How many.
        pixel_mm: In the plane.
        step_mm: From slice to slice.
        thickness_mm: Of a slice.
        center_mm: Of the block, RAS+ mm in the scanner.
    """

    plane: str
    tilt_deg: tuple[float, float, float]
    columns: int
    rows: int
    slices: int
    pixel_mm: float
    step_mm: float
    thickness_mm: float
    center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def grid(self) -> Grid:
        """The lattice with i along a row, j along a column and k along the slices."""
        shape = (self.columns, self.rows, self.slices)
        axes = turn(self.tilt_deg) @ np.array(_PLANES[self.plane]).T
        affine = np.eye(4)
        affine[:3, :3] = axes * (self.pixel_mm, self.pixel_mm, self.step_mm)
        middle = (np.array(shape) - 1.0) / 2.0
        affine[:3, 3] = self.center_mm - affine[:3, :3] @ middle
        return Grid(shape, affine)


@dataclass(frozen=True, slots=True)
class Motion:
    """How a head lies differently than in the reference series; turned about the isocenter.

    Attributes:
        degrees: Rotation about R, then A, then S.
        mm: Translation along R, A and S after the rotation.
    """

    degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def moved_from_still(self) -> Affine:
        """(4, 4) RAS+ mm."""
        affine = np.eye(4)
        affine[:3, :3] = turn(self.degrees)
        affine[:3, 3] = self.mm
        return affine


def turn(degrees: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """(3, 3) rotation about the fixed axes R, then A, then S."""
    matrix = spatial.transform.Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return np.asarray(matrix, dtype=np.float64)


def acquire(
    head: Array, head_grid: Grid, geometry: Geometry, motion: Motion, *, order: int = 3
) -> Array:
    """Sample a head in slices, averaging over their thickness.

    Args:
        head: (i, j, k) signal.
        head_grid: Where it lies in the scanner when nobody moved.
        geometry: Of the slices.
        motion: Of the head.
        order: Of the interpolating spline.

    Returns:
        (i, j, k) float64 on the geometry's grid.
    """
    grid = geometry.grid
    voxel_from_slices = (
        np.linalg.inv(head_grid.ras_from_voxel)
        @ np.linalg.inv(motion.moved_from_still)
        @ grid.ras_from_voxel
    )
    smooth = ndimage.spline_filter(head, order, mode="nearest") if order > 1 else head
    depth = geometry.thickness_mm / geometry.step_mm
    offsets = ((np.arange(_PROFILE) + 0.5) / _PROFILE - 0.5) * depth
    return sum(
        (_sampled(smooth, voxel_from_slices, grid, offset, order) for offset in offsets),
        start=np.zeros(grid.shape),
    ) / len(offsets)


def _sampled(
    head: Array, voxel_from_slices: Affine, grid: Grid, offset: float, order: int
) -> Array:
    start = voxel_from_slices[:3, :3] @ (0.0, 0.0, offset) + voxel_from_slices[:3, 3]
    sampled: Array = ndimage.affine_transform(
        head,
        voxel_from_slices[:3, :3],
        start,
        grid.shape,
        order=order,
        mode="nearest",  # the neck goes on below the array; on the other sides there is air
        prefilter=False,
    )
    return sampled


def digitize(
    signal: Array, grid: Grid, noise: float, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """Give a signal the shading of a coil, Rician noise and whole numbers.

    The magnitude of a signal with Gaussian noise in both channels is Rician (Gudbjartsson and
    Patz 1995, doi:10.1002/mrm.1910340618).

    Args:
        signal: (i, j, k).
        grid: Its place in the scanner.
        noise: Standard deviation in each channel.
        rng: Where noise and shading come from.
    """
    shaded = np.maximum(signal, 0.0) * (1.0 + _SHADING * _shading(grid, rng))
    real, imaginary = (noise * rng.standard_normal(grid.shape) for _ in range(2))
    return np.rint(np.hypot(shaded + real, imaginary)).clip(0, 4095).astype(np.uint16)


def _shading(grid: Grid, rng: np.random.Generator) -> Array:
    """A random quadratic in space, of the size of 1 at 10 cm from the isocenter."""
    index = np.indices(grid.shape, sparse=True)
    x, y, z = (
        sum(row[axis] * index[axis] for axis in range(3)) / 100.0 + row[3] / 100.0
        for row in grid.ras_from_voxel[:3]
    )
    a, b, c, d, e, f = rng.uniform(-0.7, 0.7, 6)
    return np.asarray(a * x + b * y + c * z + d * x * x + e * y * y + f * z * z)
