"""Smooth random fields from a seed, the source of everything irregular in the phantom."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.grid import Shape

Array: TypeAlias = npt.NDArray[np.float64]
"""(i, j, k) unless stated otherwise."""

Bools: TypeAlias = npt.NDArray[np.bool_]
"""(i, j, k)."""

Lengths: TypeAlias = tuple[float, float, float]
"""A length in mm along i, j, k."""

_COARSE = 1.5  # standard deviation in coarse voxels at which a wide field is drawn
_EXACT_BELOW_MM = 3.0


def smooth_field(rng: np.random.Generator, shape: Shape, scale_mm: float) -> Array:
    """White noise under a Gaussian of standard deviation `scale_mm`; mean 0, deviation 1.

    Wide fields are drawn on a coarser lattice and interpolated with cubic splines. Voxels are 1 mm.

    Returns:
        `shape`, float64.
    """
    step = max(1.0, scale_mm / _COARSE) if scale_mm >= _EXACT_BELOW_MM else 1.0
    coarse = [int(np.ceil(n / step)) + 4 for n in shape]
    field: Array = ndimage.gaussian_filter(rng.standard_normal(coarse), scale_mm / step)
    if step > 1.0:
        field = _interpolated(field, shape, step)
    field = field[: shape[0], : shape[1], : shape[2]]
    return np.asarray((field - field.mean()) / field.std())


def correlated_noise(rng: np.random.Generator, shape: Shape, blur_mm: Lengths) -> Array:
    """Scanner noise as it is left after resampling: Gaussian, mean 0, deviation 1.

    Args:
        rng: Where the numbers come from.
        shape: Voxels along i, j, k.
        blur_mm: Gaussian standard deviation along i, j, k that ties neighbors together.

    Returns:
        `shape`, float64.
    """
    noise: Array = ndimage.gaussian_filter(rng.standard_normal(shape), blur_mm)
    return np.asarray(noise / noise.std())


def _interpolated(field: Array, shape: Shape, step: float) -> Array:
    for axis, count in enumerate(shape):
        at = np.arange(count) / step + 1.0
        field = _along(field, at, axis)
    return field


def _along(field: Array, at: Array, axis: int) -> Array:
    """Catmull-Rom interpolation of one axis at fractional positions `at`."""
    whole = np.floor(at).astype(int)
    t = np.expand_dims(at - whole, [other for other in range(3) if other != axis])
    before, left, right, after = (np.take(field, whole + n, axis) for n in (-1, 0, 1, 2))
    cubic = 3.0 * (left - right) + after - before
    square = 2.0 * before - 5.0 * left + 4.0 * right - after
    return left + 0.5 * t * (right - before + t * (square + t * cubic))
