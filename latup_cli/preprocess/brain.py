"""The brain of a skull-stripped study: where any modality is not zero."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box
from latup_cli.imaging.itk import components, filled


def brain_mask(images: Iterable[npt.NDArray[np.generic]]) -> npt.NDArray[np.bool_]:
    """Voxels that belong to the brain: non-zero anywhere, one component, holes filled.

    Args:
        images: (i, j, k) each, skull-stripped, background exactly 0.

    Returns:
        (i, j, k) bool, at least one True.

    Raises:
        ValueError: If there is no image, or all are zero everywhere.
    """
    nonzero = None
    for image in images:
        found = image != 0
        nonzero = found if nonzero is None else np.logical_or(nonzero, found, out=nonzero)
    if nonzero is None or not nonzero.any():
        raise ValueError("at least one image with a non-zero voxel is needed")
    box = Box.around(nonzero).slices
    brain: npt.NDArray[np.bool_] = np.zeros_like(nonzero)
    brain[box] = filled(_largest(nonzero[box]))
    return brain


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest component, voxels joined by faces; the first among equals."""
    numbers, _ = components(mask)
    sizes = np.bincount(numbers.ravel(order="K"))
    sizes[0] = 0
    largest: npt.NDArray[np.bool_] = numbers == sizes.argmax()
    return largest
