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
        nonzero = image != 0 if nonzero is None else np.logical_or(nonzero, image, out=nonzero)
    if nonzero is None or not nonzero.any():
        raise ValueError("at least one image with a non-zero voxel is needed")
    box = bounding_box(nonzero)
    brain: npt.NDArray[np.bool_] = np.zeros(nonzero.shape, dtype=np.bool_)
    brain[box.slices] = _largest_filled(nonzero[box.slices])
    return brain


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box:
    """The smallest box that holds every True voxel of (i, j, k).

    Raises:
        ValueError: If there is none.
    """
    starts, stops = [], []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        if inside.size == 0:
            raise ValueError("an empty mask has no bounding box")
        starts.append(int(inside[0]))
        stops.append(int(inside[-1]) + 1)
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def _largest_filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    # Arrays go to ITK as they lie in memory: neither step depends on axis names or spacing.
    padded = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    components = sitk.RelabelComponent(sitk.ConnectedComponent(padded), sortByObjectSize=True)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(components == 1))
    whole: npt.NDArray[np.bool_] = filled[1:-1, 1:-1, 1:-1].astype(bool)
    return whole
