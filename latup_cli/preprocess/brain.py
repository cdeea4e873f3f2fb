"""The brain of a skull-stripped study: where any modality is not zero."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Box


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
    box = Box.around(nonzero)
    brain: npt.NDArray[np.bool_] = np.zeros_like(nonzero)
    brain.T[box.slices[::-1]] = _largest_filled(nonzero[box.slices].T)
    return brain


def _largest_filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest component, voxels joined by faces, and what it encloses.

    Arrays go to ITK as they lie in memory: neither step depends on axis names or spacing.
    """
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(np.pad(mask, 1).view(np.uint8)))
    largest = sitk.RelabelComponent(components, sortByObjectSize=True) == 1
    around = sitk.GetArrayFromImage(sitk.ConnectedComponent(largest == 0))
    whole: npt.NDArray[np.bool_] = around[1:-1, 1:-1, 1:-1] != around[0, 0, 0]
    return whole
