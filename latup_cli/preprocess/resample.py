"""Move images between grids that share a place in space, one interpolation at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.imaging.itk import array_from_itk, to_itk

SAME_SPACING = 0.01
"""Spacings that differ by less than this share count as the same."""

_Image: TypeAlias = npt.NDArray[np.float32]

_AVERAGED_BY_INTERPOLATION = 2.05
_SIGMA_PER_STEP = 0.4
_SAME_AXIS = 1e-6  # voxels that an axis may stray from its counterpart, per voxel along it
_EDGE = 1e-4  # of a voxel: what single precision spoils at a face


def same_spacing(grid: Grid, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether a grid has this spacing already, as far as the network could tell."""
    return bool(np.allclose(grid.spacing_mm, spacing_mm, rtol=SAME_SPACING, atol=0.0))


def resample(data: _Image, source: Grid, target: Grid) -> _Image:
    """Linear interpolation of (i, j, k) float32 onto another grid; 0 beyond the source.

    Where the target is more than twice as coarse, the image is smoothed first, so that no
    voxel goes unseen. At exactly half the resolution along the same axes, a new voxel is the
    mean of eight old ones.

    Raises:
        GeometryError: If the grids run along different axes and either is sheared.
    """
    smooth = any(_is_coarse(fine, coarse) for fine, coarse in _spacings(source, target))
    source_from_target = np.linalg.inv(source.ras_from_voxel) @ target.ras_from_voxel
    scale = np.diag(source_from_target)[:3]
    along = np.abs(source_from_target[:3, :3] - np.diag(scale)).max() < _SAME_AXIS
    if smooth or not along:
        return _by_itk(data, source, target)
    for axis, size in enumerate(target.shape):
        places = source_from_target[axis, 3] + scale[axis] * np.arange(size)
        data = along_axis(data, axis, places)
    return data


def along_axis(data: _Image, axis: int, places: npt.NDArray[np.float64]) -> _Image:
    """Interpolate linearly along one axis.

    Args:
        data: (i, j, k).
        axis: Which of them.
        places: Where the new voxels lie in old ones along it. Half a voxel beyond the first
            and the last center the image ends.

    Returns:
        The same with `places.size` voxels along the axis.
    """
    last = data.shape[axis] - 1
    inside = np.clip(places, 0.0, last)
    left = np.minimum(np.floor(inside), max(0, last - 1)).astype(np.intp)
    right = np.minimum(left + 1, last)
    weight = (inside - left).astype(np.float32)
    seen = ((places >= -0.5 - _EDGE) & (places < last + 0.5 - _EDGE)).astype(np.float32)
    shape = [-1 if other == axis else 1 for other in range(3)]
    result: _Image = data.take(left, axis)
    result *= ((1 - weight) * seen).reshape(shape)
    after: _Image = data.take(right, axis)
    after *= (weight * seen).reshape(shape)
    result += after
    return result


def _by_itk(data: _Image, source: Grid, target: Grid) -> _Image:
    image = _smoothed(to_itk(data, source), source, target)
    like = to_itk(np.empty(target.shape, dtype=np.uint8), target)
    moved = sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return np.ascontiguousarray(array_from_itk(moved), dtype=np.float32)


def _smoothed(image: sitk.Image, source: Grid, target: Grid) -> sitk.Image:
    for axis, (fine, coarse) in enumerate(_spacings(source, target)):
        if _is_coarse(fine, coarse):
            image = sitk.RecursiveGaussian(image, _SIGMA_PER_STEP * coarse, direction=axis)
    return image


def _spacings(source: Grid, target: Grid) -> list[tuple[float, float]]:
    """The spacing along each source axis, and along the target axis that runs closest to it."""
    directions = [grid.ras_from_voxel[:3, :3] / grid.spacing_mm for grid in (source, target)]
    closest = np.abs(directions[0].T @ directions[1]).argmax(axis=1)
    return [
        (fine, target.spacing_mm[axis])
        for fine, axis in zip(source.spacing_mm, closest, strict=True)
    ]


def _is_coarse(fine: float, coarse: float) -> bool:
    return coarse > _AVERAGED_BY_INTERPOLATION * fine
