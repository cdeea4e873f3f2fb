"""Bring intensities, which MR scanners give no unit, to a common scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SMALLEST_DEVIATION = 1e-6


def zscore(
    image: npt.NDArray[np.generic], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Mean 0 and standard deviation 1 inside a mask, exactly 0 outside.

    The result does not change when the image is scaled by a positive factor or shifted; an
    image that is constant inside gives zeros.

    Args:
        image: (i, j, k), any number type.
        inside: (i, j, k), at least one True.

    Returns:
        (i, j, k) float32.
    """
    values = image[inside].astype(np.float64)
    floor = _SMALLEST_DEVIATION * float(np.abs(values).max())  # what rounding alone may cause
    deviation = max(float(values.std()), floor) or 1.0
    normalized = np.zeros(image.shape, dtype=np.float32)
    normalized[inside] = (values - values.mean()) / deviation
    return normalized
