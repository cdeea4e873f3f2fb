"""Images at about 2 mm around a region: as much as quality checks need, and fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.grid import Box, Shape
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError

Image = npt.NDArray[np.float32]
Region = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

COARSE_MM = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """Images and a region on one coarse grid.

    Attributes:
        images: Name to (i, j, k) float32.
        region: (i, j, k) bool: at least half of what a voxel covers lies in the region.
        spacing_mm: Along i, j, k.
    """

    images: Mapping[str, Image]
    region: Region
    spacing_mm: Spacing

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        return float(np.prod(self.spacing_mm)) / 1000.0


def coarsen(
    images: Mapping[str, Volume], region: Mask, *, margin_mm: float = 0.0, to_mm: float = COARSE_MM
) -> Coarse:
    """Average blocks of voxels up to about `to_mm`, cropped to a region and a margin.

    Raises:
        GeometryError: If an image does not lie on the region's grid.
        ValueError: If the region is empty.
    """
    if any(not image.grid.matches(region.grid) for image in images.values()):
        raise GeometryError("The images and the mask do not lie on one grid.")
    spacing = region.grid.spacing_mm
    box = _box(region.data, spacing, margin_mm)
    steps = tuple(max(1, round(to_mm / mm)) for mm in spacing)
    steps = (steps[0], steps[1], steps[2])
    small = {name: block_means(image.data[box.slices], steps) for name, image in images.items()}
    inside = block_means(region.data[box.slices], steps) >= 0.5  # noqa: PLR2004  (half)
    i, j, k = (float(mm * n) for mm, n in zip(spacing, steps, strict=True))
    return Coarse(small, inside, (i, j, k))


def block_means(array: npt.NDArray[np.generic], steps: Shape) -> Image:
    """Means of blocks of (i, j, k) voxels; what the array lacks in its last blocks is repeated."""
    for axis, step in enumerate(steps):
        if step > 1:
            starts = np.arange(0, array.shape[axis], step)
            sums = np.add.reduceat(array, starts, axis=axis, dtype=np.float32)
            counts = np.minimum(step, array.shape[axis] - starts).astype(np.float32)
            array = np.asarray(sums / counts.reshape([-1 if a == axis else 1 for a in range(3)]))
    return array.astype(np.float32, copy=False)


def inner(region: Region, spacing_mm: Spacing, depth_mm: float) -> Region:
    """What lies deeper than `depth_mm` in a region; beyond the array is outside."""
    away = ndimage.distance_transform_edt(np.pad(region, 1), sampling=spacing_mm)
    return np.asarray(away[1:-1, 1:-1, 1:-1] > depth_mm)


def smooth(image: Image, region: Region, spacing_mm: Spacing, sigma_mm: float) -> Image:
    """Gaussian mean over the part of the neighborhood that lies in the region."""
    sigmas = [sigma_mm / mm for mm in spacing_mm]
    total = ndimage.gaussian_filter(np.where(region, image, np.float32(0)), sigmas, truncate=2.5)
    weight = ndimage.gaussian_filter(region.astype(np.float32), sigmas, truncate=2.5)
    return np.asarray(total / np.maximum(weight, np.float32(1e-3)), dtype=np.float32)


def ranks(values: npt.NDArray[np.floating]) -> Image:
    """Share of values that are lower, equals counted by half: (n,) in [0, 1]."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return ((below + upto) / (2.0 * values.size)).astype(np.float32)


def _box(region: Region, spacing_mm: Spacing, margin_mm: float) -> Box:
    starts, stops = [], []
    for axis, mm in enumerate(spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(region.any(axis=others))
        if inside.size == 0:
            raise ValueError("an empty region has nothing to judge")
        margin = round(margin_mm / mm)
        starts.append(max(0, int(inside[0]) - margin))
        stops.append(min(region.shape[axis], int(inside[-1]) + 1 + margin))
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
