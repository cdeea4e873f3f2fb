"""Bring registered images onto one grid, each by a single interpolation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import RigidTransform
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.imaging.itk import array_from_itk, to_itk
from latup_cli.preprocess.resample import resample

_HALF = 0.5
_WHOLE = 1e-3  # of a voxel: headers are rounded


def common_grid(reference: Grid, spacing_mm: float = 1.0) -> Grid:
    """The isotropic grid along the RAS axes that covers the whole field of view of another.

    Both share their middle. An oblique field of view is covered to its corners.
    """
    half_voxel = np.abs(reference.ras_from_voxel[:3, :3]).sum(axis=1) / 2.0
    corners = reference.corners_ras_mm()
    low, high = corners.min(axis=0) - half_voxel, corners.max(axis=0) + half_voxel
    shape = np.ceil((high - low) / spacing_mm - _WHOLE).astype(int)
    ras_from_voxel = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    ras_from_voxel[:3, 3] = (low + high) / 2.0 - (shape - 1) * spacing_mm / 2.0
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), ras_from_voxel)


def align(
    images: Mapping[str, Volume], registrations: Mapping[str, RigidTransform], grid: Grid
) -> Mapping[str, Volume]:
    """Put every image where it lies in the reference, on one grid.

    The motion goes into the image's header, so that the change of grid is the only interpolation:
    linear, which never leaves the range of the image. Axes much finer than the grid are
    smoothed first, thick slices are interpolated between. A voxel that is mostly black, as around a
    stripped brain, stays black.

    Args:
        images: Modality to image, each on its own grid.
        registrations: Modality to the transform from the reference to it; one that is not named,
            such as the reference, lies where its header says.
        grid: Where the images go, in the reference's space.

    Returns:
        Modality to image; 0 beyond its field of view.

    Raises:
        GeometryError: If a grid is sheared.
    """
    return {
        modality: _aligned(image, registrations.get(modality, RigidTransform.identity()), grid)
        for modality, image in images.items()
    }


def aligned_mask(mask: Mask, grid: Grid, registration: RigidTransform | None = None) -> Mask:
    """A mask on another grid: a voxel is in where the mask fills at least half of it.

    Args:
        mask: On its own grid.
        grid: Where it goes, in the reference's space.
        registration: From the reference to the mask's space; None where they are one.

    Raises:
        GeometryError: If a grid is sheared.
    """
    share = resample(mask.data.astype(np.float32), _moved(mask.grid, registration), grid)
    return Mask(share >= _HALF, grid)


def aligned_labels(
    labels: LabelMap, grid: Grid, registration: RigidTransform | None = None
) -> LabelMap:
    """A label map on another grid: every voxel takes the nearest label, 0 outside.

    Args:
        labels: On its own grid, such as the model's.
        grid: Where they go, such as the native T1ce.
        registration: From the space of `grid` to that of the labels; None where they are one.

    Raises:
        GeometryError: If a grid is sheared.
    """
    image = to_itk(labels.data, _moved(labels.grid, registration))
    like = to_itk(np.empty(grid.shape, dtype=np.uint8), grid)
    taken = sitk.Resample(image, like, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
    data = np.ascontiguousarray(array_from_itk(taken), dtype=np.uint8)
    return LabelMap(data, grid, labels.scheme)


def _aligned(image: Volume, registration: RigidTransform, grid: Grid) -> Volume:
    source = _moved(image.grid, registration)
    data = resample(image.data, source, grid)
    # between a slice of brain and a black one, a stripped brain would grow by half a slice
    filled = resample((image.data != 0).astype(np.float32), source, grid)
    data[filled < _HALF] = 0.0
    return Volume(data, grid)


def _moved(grid: Grid, registration: RigidTransform | None) -> Grid:
    """The same lattice where it lies in the reference's space."""
    if registration is None:
        return grid
    fixed_from_moving = registration.inverse().moving_from_fixed
    return Grid(grid.shape, fixed_from_moving @ grid.ras_from_voxel)
