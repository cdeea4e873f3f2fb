"""Tell a skull-stripped image from a whole head, by two measured numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latup_cli.domain.volume import Volume

# Measured with benchmarks/skull_check.py. Stripped: 184 images of 46 BraTS 2018-2021 subjects
# and a BraTS 2023 metastasis case. Heads: the four series of TCGA-FG-6692 as scanned, and the
# same with the air set to 0 below 5 and 10 percent of the 99th percentile.
#                       stripped          head as scanned     head, air set to 0
# non-zero, mL          1146 to 1747      5954 to 6417        2901 to 3182
# share of zeros        0.80 to 0.87      0.03 to 0.10        0.50 to 0.56
MOST_BRAIN_ML = 2300.0
"""No brain is larger; the non-zero part of a stripped image is a brain."""

LEAST_EMPTY_SHARE = 0.2
"""Stripped images have at least this share of exact zeros, even cropped tightly to the brain.

An ellipsoid leaves 48 percent of its bounding box empty.
"""

SMALL_BRAIN_ML = 500.0
"""Below, something is odd, such as voxel sizes in the wrong unit or a brain cut off."""


@dataclass(frozen=True, slots=True)
class Emptiness:
    """What an image shows outside the brain.

    Attributes:
        nonzero_ml: Volume of the voxels that are not exactly 0, in mL.
        empty_share: Share of voxels that are exactly 0, in [0, 1].
    """

    nonzero_ml: float
    empty_share: float


def measure(image: Volume) -> Emptiness:
    """Measure an image whose background, if it has one, is 0."""
    nonzero = int(np.count_nonzero(image.data))
    return Emptiness(nonzero * image.grid.voxel_ml, 1.0 - nonzero / image.data.size)


def sign_of_skull(found: Emptiness) -> str:
    """What says that more than a brain is visible; empty if nothing does."""
    if found.nonzero_ml > MOST_BRAIN_ML:
        return f"{found.nonzero_ml:.0f} mL are not 0, and a brain has 700 to 2000 mL"
    if found.empty_share < LEAST_EMPTY_SHARE:
        return f"only {found.empty_share:.0%} of its voxels are 0, the background of a brain alone"
    return ""
