"""The brain of a skull-stripped study: where its images are not black."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box
from latup_cli.errors import ImagesApartError
from latup_cli.imaging.itk import components, filled

Image: TypeAlias = npt.NDArray[np.generic]
Inside: TypeAlias = npt.NDArray[np.bool_]

_BRIGHT = 0.5  # of the median over what is not black


@dataclass(frozen=True, slots=True)
class Rule:
    """How the brain is told from black.

    Attributes:
        find: (i, j, k) images to the (i, j, k) voxels of the brain.
        words: For the record.
    """

    find: Callable[[Iterable[Image]], Inside]
    words: str


def brain_mask(images: Iterable[Image]) -> Inside:
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
    return _whole(nonzero)


def bright_brain_mask(images: Iterable[Image]) -> Inside:
    """Voxels that at least half of the images show well above black, one component, holes filled.

    Thick slices, and the interpolation between them, smear a stripped brain into the black around
    it. "Non-zero anywhere" then adds a dim rim of 2 to 3 mm, a seventh of the brain's volume;
    `benchmarks/raw_studies.py` shows what the network makes of it.

    Args:
        images: (i, j, k) each, skull-stripped before they were brought to this grid.

    Returns:
        (i, j, k) bool, at least one True.

    Raises:
        ValueError: If there is no image, or all are zero everywhere.
        ImagesApartError: If no place is bright in half of them.
    """
    bright = [_bright(image) for image in images]
    if not any(found.any() for found in bright):
        raise ValueError("at least one image with a non-zero voxel is needed")
    votes: npt.NDArray[np.uint8] = np.sum(np.stack(bright), axis=0, dtype=np.uint8)
    inside: Inside = 2 * votes >= len(bright)
    if not inside.any():
        raise ImagesApartError
    return _whole(inside)


NONZERO = Rule(brain_mask, "non-zero in any modality, one component, holes filled")
BRIGHT = Rule(
    bright_brain_mask,
    "above half of the median in half of the modalities, one component, holes filled",
)


def _bright(image: Image) -> Inside:
    """Where an image is above half of its median in size: intensities may be negative."""
    level = np.abs(image)
    seen = level[level > 0]
    found: Inside = level > (_BRIGHT * np.median(seen) if seen.size else 0)
    return found


def _whole(inside: Inside) -> Inside:
    """The largest component, without holes."""
    box = Box.around(inside).slices
    brain: Inside = np.zeros_like(inside)
    brain[box] = filled(_largest(inside[box]))
    return brain


def _largest(mask: Inside) -> Inside:
    """The largest component, voxels joined by faces; the first among equals."""
    numbers, _ = components(mask)
    sizes = np.bincount(numbers.ravel(order="K"))
    sizes[0] = 0
    largest: Inside = numbers == sizes.argmax()
    return largest
