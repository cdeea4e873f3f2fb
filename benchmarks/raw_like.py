"""Make what a scanner would have given out of an aligned image, with the true motion known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.transform import RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.preprocess.resample import resample

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Plane of the slices to the RAS axis that they are stacked along."""

MARGIN_MM = 12.0
"""Room between the brain and the edge of the field of view."""

STEPS_PER_SLICE = 5
"""Places across a slice that are averaged, as the excitation of a slice does."""


@dataclass(frozen=True, slots=True)
class Scan:
    """How a series is acquired.

    Attributes:
        plane: "axial", "sagittal" or "coronal".
        slice_mm: Thickness and distance of slices.
        pixel_mm: In the plane.
        codes: Stored axis order, such as "LPS".
        tilt_deg: Angles about the RAS axes by which the stack is oblique; the header knows it.
        noise: Standard deviation of the noise as a share of the 99th percentile, inside the head.
    """

    plane: str = "axial"
    slice_mm: float = 5.0
    pixel_mm: float = 0.9
    codes: str = "LPS"
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 0.01


def random_scan(generator: np.random.Generator, slice_mm: float = 5.0) -> Scan:
    """A plane, pixel size, axis order and obliqueness as clinics have them."""
    letters = [generator.permutation(list(pair))[0] for pair in ("LR", "PA", "IS")]
    return Scan(
        plane=str(generator.choice(list(PLANES))),
        slice_mm=slice_mm,
        pixel_mm=float(generator.uniform(0.7, 1.1)),
        codes="".join(str(letters[axis]) for axis in generator.permutation(3)),
        tilt_deg=_three(generator.uniform(-15.0, 15.0, 3)),
    )


def random_motion(
    generator: np.random.Generator,
    center_ras_mm: npt.NDArray[np.float64],
    *,
    most_mm: float = 15.0,
    most_deg: float = 15.0,
) -> RigidTransform:
    """A head motion about a point: any axis, any direction, sizes uniform up to the most."""
    axis, direction = (_unit(generator.normal(size=3)) for _ in range(2))
    turn = Rotation.from_rotvec(axis * np.radians(generator.uniform(0.0, most_deg)))
    shift = direction * generator.uniform(0.0, most_mm)
    return RigidTransform.about(center_ras_mm, turn.as_matrix(), shift)


def simulate(volume: Volume, motion: RigidTransform, scan: Scan, *, seed: int = 0) -> Volume:
    """Acquire an image again after the head has moved.

    Args:
        volume: Stripped, background 0.
        motion: From places in `volume` to where the head lies now. The new header does not know it.
        scan: How to acquire.
        seed: For the noise.

    Returns:
        The series as stored. A registration of two such series A (fixed) and B should find
        `motion_b @ motion_a.inverse()`.
    """
    grid = _stack(volume, motion, scan)
    data = _acquired(volume, motion, grid)
    inside = data > 0.0
    sigma = scan.noise * float(np.percentile(data[inside], 99)) if inside.any() else 0.0
    noise = np.random.default_rng(seed).normal(0.0, sigma, data.shape)
    noisy = np.where(inside, np.abs(data + noise), 0.0).astype(np.float32)
    turn = reorientation(grid, scan.codes)
    return Volume(np.ascontiguousarray(turn.apply(noisy)), turn.grid(grid))


def brain_points(volume: Volume, *, step: int = 4) -> npt.NDArray[np.float64]:
    """(n, 3) places in RAS+ mm of every `step`-th voxel along each axis that is not 0."""
    index = np.argwhere(volume.data[::step, ::step, ::step] != 0) * step
    affine = volume.grid.ras_from_voxel
    points: npt.NDArray[np.float64] = index @ affine[:3, :3].T + affine[:3, 3]
    return points


def _stack(volume: Volume, motion: RigidTransform, scan: Scan) -> Grid:
    """A lattice, slices along k, that covers the moved brain with some margin."""
    axes = Rotation.from_euler("xyz", scan.tilt_deg, degrees=True).as_matrix()
    stacked = PLANES[scan.plane]
    order = [axis for axis in range(3) if axis != stacked] + [stacked]
    spacing = np.array([scan.pixel_mm, scan.pixel_mm, scan.slice_mm])
    along = motion.apply(brain_points(volume)) @ axes[:, order]
    low, high = along.min(axis=0) - MARGIN_MM, along.max(axis=0) + MARGIN_MM
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes[:, order] * spacing
    affine[:3, 3] = axes[:, order] @ low
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def _acquired(volume: Volume, motion: RigidTransform, grid: Grid) -> npt.NDArray[np.float32]:
    """The moved head at the new voxels, averaged across the thickness of each slice."""
    shape = volume.grid.shape
    head = Grid(shape, motion.moving_from_fixed @ volume.grid.ras_from_voxel)
    pixel, _, slice_mm = grid.spacing_mm
    thin = grid.respaced((pixel, pixel, slice_mm / STEPS_PER_SLICE))
    fine = resample(volume.data, head, thin)
    means: npt.NDArray[np.float32] = fine.reshape(*grid.shape, STEPS_PER_SLICE).mean(axis=-1)
    return means


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return vector / float(np.linalg.norm(vector))


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
