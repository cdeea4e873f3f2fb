"""Move images between grids that share a place in space, one interpolation at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.imaging.itk import array_from_itk, to_itk

SAME_SPACING = 0.01
"""Spacings that differ by less than this share count as the same."""

_AVERAGED_BY_INTERPOLATION = 2.05
_SIGMA_PER_STEP = 0.4


def same_spacing(grid: Grid, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether a grid has this spacing already, as far as the network could tell."""
    return bool(np.allclose(grid.spacing_mm, spacing_mm, rtol=SAME_SPACING, atol=0.0))


def resample(data: npt.NDArray[np.float32], source: Grid, target: Grid) -> npt.NDArray[np.float32]:
    """Linear interpolation of (i, j, k) float32 onto another grid; 0 beyond the source.

    Where the target is more than twice as coarse, the image is smoothed first, so that no
    voxel goes unseen. At exactly half the resolution along the same axes, a new voxel is the
    mean of eight old ones.

    Raises:
        GeometryError: If either grid is sheared.
    """
    image = _smoothed(to_itk(data, source), source, target)
    like = to_itk(np.empty(target.shape, dtype=np.uint8), target)
    moved = sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return np.ascontiguousarray(array_from_itk(moved), dtype=np.float32)


def _smoothed(image: sitk.Image, source: Grid, target: Grid) -> sitk.Image:
    for axis, (fine, coarse) in enumerate(zip(source.spacing_mm, target.spacing_mm, strict=True)):
        if coarse > _AVERAGED_BY_INTERPOLATION * fine:
            image = sitk.RecursiveGaussian(image, _SIGMA_PER_STEP * coarse, direction=axis)
    return image
