"""What lies around each voxel: means over wide neighborhoods and short distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latup_cli.quality.coarse import Image, Region, Spacing, block_means

_FIELD_MM = 24.0  # coil sensitivity varies on this scale, tissue below it
_KERNEL_ENDS = 2.5  # standard deviations
_LEAST_WEIGHT = np.float32(1e-3)
_FINE_ENOUGH = 5.0  # voxels per standard deviation; a finer mean would look the same


def smooth(image: Image, region: Region, spacing_mm: Spacing, sigma_mm: float) -> Image:
    """Gaussian mean over the part of the neighborhood that lies in the region.

    Where the kernel is wide, blocks of voxels are averaged first and the means interpolated.

    Args:
        image: (i, j, k) float32.
        region: (i, j, k) bool.
        spacing_mm: Along i, j, k.
        sigma_mm: Standard deviation.
    """
    i, j, k = (max(1, int(sigma_mm / (mm * _FINE_ENOUGH))) for mm in spacing_mm)
    sigmas = [
        _narrowed(sigma_mm / mm, step) for mm, step in zip(spacing_mm, (i, j, k), strict=True)
    ]
    total, weight = (
        gaussian(block_means(part, (i, j, k)), sigmas, ends=_KERNEL_ENDS)
        for part in (np.where(region, image, np.float32(0)), region)
    )
    mean: Image = np.divide(total, np.maximum(weight, _LEAST_WEIGHT), dtype=np.float32)
    for axis, step in enumerate((i, j, k)):
        mean = _between(mean, axis, image.shape[axis], step)
    return mean


def flattened(image: Image, region: Region, spacing_mm: Spacing) -> Image:
    """An (i, j, k) image by its wide mean over a region, which removes the coils' sensitivity."""
    field = smooth(image, region, spacing_mm, _FIELD_MM)
    flat: Image = np.divide(image, np.maximum(field, np.float32(1e-12)), dtype=np.float32)
    return flat


def gaussian(image: Image, sigmas: Sequence[float], *, ends: float = 4.0) -> Image:
    """Gaussian mean of (i, j, k) float32; beyond its faces, the image goes on as a mirror shows it.

    Args:
        image: (i, j, k).
        sigmas: Standard deviations along i, j, k, in voxels.
        ends: Standard deviations after which the kernel ends.
    """
    for axis, sigma in enumerate(sigmas):
        steps = np.arange(1, int(ends * sigma + 0.5) + 1)
        weights = np.exp(-0.5 * (steps / sigma) ** 2)
        weights /= 1.0 + 2.0 * weights.sum()
        image = _weighted(image, axis, weights.astype(np.float32))
    return image


def opened(region: Region) -> Region:
    """What of an (i, j, k) mask is covered by crosses of seven voxels that lie inside it."""
    inside = np.pad(region, 1)
    core = inside.copy()
    for axis in range(3):
        for step in (-1, 1):
            core &= np.roll(inside, step, axis)
    grown = core.copy()
    for axis in range(3):
        for step in (-1, 1):
            grown |= np.roll(core, step, axis)
    return grown[1:-1, 1:-1, 1:-1]


def away_mm(region: Region, spacing_mm: Spacing, most_mm: float) -> Image:
    """Distance of each voxel center from the nearest one of a region, in mm.

    Exact up to `most_mm`, and more than that, or infinite, wherever it is more. The squared
    Euclidean distance is found one axis after the other (Felzenszwalb and Huttenlocher,
    "Distance Transforms of Sampled Functions", 2012).

    Args:
        region: (i, j, k) bool.
        spacing_mm: Along i, j, k.
        most_mm: How far to look.
    """
    squared = np.where(region, np.float32(0), np.float32(np.inf))
    for axis, mm in enumerate(spacing_mm):
        squared = _nearest(squared, axis, [(n * mm) ** 2 for n in range(1, int(most_mm / mm) + 1)])
    return np.asarray(np.sqrt(squared))


def inner(region: Region, spacing_mm: Spacing, depth_mm: float) -> Region:
    """What lies deeper than `depth_mm` in a region; beyond the array is outside."""
    away = away_mm(~np.pad(region, 1), spacing_mm, depth_mm)
    return np.asarray(away[1:-1, 1:-1, 1:-1] > depth_mm)


def _nearest(squared: Image, axis: int, costs: Sequence[float]) -> Image:
    """Least sum of a neighbor's value and what it costs to reach it along an axis."""
    rows = np.moveaxis(squared, axis, 0)
    least = squared.copy()
    found = np.moveaxis(least, axis, 0)
    for steps, cost in enumerate(costs, start=1):
        reached = rows + np.float32(cost)
        np.minimum(found[steps:], reached[:-steps], out=found[steps:])
        np.minimum(found[:-steps], reached[steps:], out=found[:-steps])
    return least


def _weighted(image: Image, axis: int, weights: Image) -> Image:
    """Sum of neighbors on both sides of each voxel by their weights, what is left for itself."""
    reach = weights.size
    around = [(reach, reach) if other == axis else (0, 0) for other in range(image.ndim)]
    rows = np.moveaxis(np.pad(image, around, mode="symmetric"), axis, 0)
    size = image.shape[axis]
    total = rows[reach : reach + size] * np.float32(1.0 - 2.0 * weights.sum())
    for step, weight in enumerate(weights, start=1):
        both = rows[reach - step :][:size] + rows[reach + step :][:size]
        both *= weight
        total += both
    return np.ascontiguousarray(np.moveaxis(total, 0, axis))


def _narrowed(sigma: float, step: int) -> float:
    """What is left of a standard deviation, in blocks, after means of `step` voxels."""
    return float(np.sqrt(sigma**2 - (step**2 - 1) / 12.0)) / step


def _between(means: Image, axis: int, size: int, step: int) -> Image:
    """Interpolate means of `step` voxels linearly at `size` voxels along an axis."""
    if step == 1:
        return means
    last = means.shape[axis] - 1
    places = np.clip((np.arange(size) + 0.5) / step - 0.5, 0.0, last)
    left = places.astype(np.intp)
    share = (places - left).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    before, after = means.take(left, axis), means.take(np.minimum(left + 1, last), axis)
    return np.asarray(before + (after - before) * share)
