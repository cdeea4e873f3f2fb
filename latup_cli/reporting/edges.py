"""Find the edges in a picture of a slice, as thin lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_SIGNIFICANT = (0.65, 0.85)  # quantiles of the gradient inside the mask: to go on, to begin


def edges(
    gray: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    *,
    blur: float,
    shortest: int,
) -> npt.NDArray[np.bool_]:
    """Ridges of the gradient that are strong somewhere along their length.

    Gaussian smoothing, suppression of what is not the largest gradient across an edge, and two
    thresholds (Canny 1986, doi:10.1109/TPAMI.1986.4767851).

    Args:
        gray: (rows, columns).
        mask: Where to look, (rows, columns).
        blur: Standard deviation in pixels.
        shortest: Lines of fewer pixels are left out.

    Returns:
        (rows, columns); lines about one pixel wide, only inside the mask.
    """
    if not mask.any():
        return np.zeros_like(mask)
    down, across = (
        ndimage.gaussian_filter(gray.astype(np.float64), blur, order=order)
        for order in ((1, 0), (0, 1))
    )
    strength = np.hypot(down, across)
    low, high = (float(limit) for limit in np.quantile(strength[mask], _SIGNIFICANT))
    ridge = _is_ridge(strength, down, across) & mask & (strength > max(low, 1e-6))
    lines, count = ndimage.label(ridge, np.ones((3, 3)))
    strong = np.zeros(count + 1, dtype=bool)
    strong[np.unique(lines[ridge & (strength >= high)])] = True
    strong &= np.bincount(lines.ravel(), minlength=count + 1) >= shortest
    strong[0] = False
    return np.asarray(strong[lines], dtype=np.bool_)


def _is_ridge(
    strength: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
    across: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Where the gradient is larger than one pixel further up and down the slope."""
    row, column = np.indices(strength.shape)
    length = np.maximum(strength, 1e-12)
    beside = [
        ndimage.map_coordinates(
            strength, (row + side * down / length, column + side * across / length), order=1
        )
        for side in (-1.0, 1.0)
    ]
    return np.asarray((strength >= beside[0]) & (strength > beside[1]))
