"""Tell by their voxels which of two T1-weighted series was scanned after contrast agent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.volume import Volume

# benchmarks/contrast_order.py: of T1ce against T1 of 46 BraTS 2018-2021 subjects and of the whole
# heads of TCGA-FG-6692, 46 pairs are told right, none wrong, and one is not told.
LEAST_GAIN = 0.1
"""Two series count as told apart if their brightest voxels differ by this share of the median."""

_BRIGHT = 99.5  # percentile: vessels, choroid plexus, tumor; below, tissue without agent
_INSIDE = 0.6  # of the head's radii: within is brain, without the fat that outshines all else
_MOST_SAMPLES = 200_000
_FOREGROUND = 0.15  # of the 99th percentile; below is air
_FEWEST_SHARED = 1000


def gain(one: Volume, other: Volume) -> float:
    """By how much agent shows in one image and not in the other, both being of one head.

    Compared are the brightest voxels in the middle of the head, as multiples of the median
    there, over the tissue that both show.

    Returns:
        Positive if `one` was enhanced; 0 where the images hardly overlap.
    """
    places = _samples(one)
    ras_mm = places @ one.grid.ras_from_voxel[:3, :3].T + one.grid.ras_from_voxel[:3, 3]
    first, second = one.data[tuple(places.T)], _nearest(other, ras_mm)
    tissue = (first > _floor(one)) & (second > _floor(other))
    if np.count_nonzero(tissue) < _FEWEST_SHARED:
        return 0.0
    middle = tissue & _in_the_middle(ras_mm, ras_mm[tissue])
    return _brightest(first[middle]) - _brightest(second[middle])


def _brightest(values: npt.NDArray[np.float32]) -> float:
    return float(np.percentile(values, _BRIGHT) / np.median(values)) if values.size else 0.0


def _in_the_middle(
    ras_mm: npt.NDArray[np.float64], head: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which places lie in an ellipsoid around the middle of a head."""
    low, high = np.percentile(head, [1, 99], axis=0)
    scaled = (ras_mm - (low + high) / 2) / ((high - low) / 2)
    return np.asarray((scaled**2).sum(axis=1) < _INSIDE**2)


def _samples(image: Volume) -> npt.NDArray[np.intp]:
    """(n, 3) voxel indices, evenly thinned out."""
    every = max(1, image.data.size // _MOST_SAMPLES)
    flat = np.arange(0, image.data.size, every)
    return np.stack(np.unravel_index(flat, image.data.shape), axis=-1)


def _nearest(image: Volume, ras_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Values at places in space, 0 outside the image."""
    voxel_from_ras = np.linalg.inv(image.grid.ras_from_voxel)
    index = np.rint(ras_mm @ voxel_from_ras[:3, :3].T + voxel_from_ras[:3, 3]).astype(np.intp)
    inside = ((index >= 0) & (index < image.data.shape)).all(axis=1)
    values = np.zeros(len(index), dtype=np.float32)
    values[inside] = image.data[tuple(index[inside].T)]
    return values


def _floor(image: Volume) -> float:
    return _FOREGROUND * float(np.percentile(image.data, 99))
