"""Check that a file's voxels can be one MR image: finite, with contrast, no label map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from latup_cli.errors import ConstantImageError, LabelMapGivenError, NonFiniteVoxelsError

MOST_LABELS = 12
"""An image with at most this many values, all of them whole numbers, is a segmentation.

Scanners and 8-bit exports give far more: the coarsest images seen have 100. Tumor label maps
hold up to 5 values, brain masks 2.
"""

BACKGROUND_SHARE = 0.2
"""A value other than 0 is the background if it fills all corners and this share of the voxels."""

_SAMPLE_STEP = 97  # prime, so that a sample does not stay in one plane


def check_content(path: Path, modality: str, data: npt.NDArray[np.float32]) -> None:
    """Refuse voxels that are no MR image.

    Args:
        path: What the person should see.
        modality: What the file was taken for.
        data: (i, j, k).

    Raises:
        NonFiniteVoxelsError: If any voxel is NaN or infinite.
        ConstantImageError: If all voxels are equal.
        LabelMapGivenError: If there are only a few values and all are whole numbers.
    """
    broken = data.size - int(np.count_nonzero(np.isfinite(data)))
    if broken:
        raise NonFiniteVoxelsError(path, broken)
    least = float(data.min())
    if least == float(data.max()):
        raise ConstantImageError(path, least)
    labels = label_values(data)
    if labels:
        raise LabelMapGivenError(path, modality, labels)


def label_values(data: npt.NDArray[np.float32]) -> tuple[int, ...]:
    """The values of a label map; empty for an image, which has more, or broken ones."""
    if np.unique(data.ravel(order="K")[::_SAMPLE_STEP]).size > MOST_LABELS:
        return ()
    values = np.unique(data)
    if values.size > MOST_LABELS or (values != np.round(values)).any():
        return ()
    return tuple(int(value) for value in values)


def background(data: npt.NDArray[np.float32]) -> float:
    """The value outside the brain: one that fills all eight corners and much of the image, or 0.

    Z-scored or windowed images have such a background that is not 0.
    """
    corners = data[np.ix_(*((0, size - 1) for size in data.shape))]
    value = float(corners[0, 0, 0])
    if (corners != value).any() or np.mean(data == value) < BACKGROUND_SHARE:
        return 0.0
    return value
