"""From class probabilities to nested regions, and from regions to one label per voxel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.labels import REGIONS, Tissue

_THRESHOLD = 0.5
_INNERMOST = {"WT": Tissue.ED, "TC": Tissue.NCR, "ET": Tissue.ET}
"""The tissue of a voxel whose innermost region this is."""


def region_probabilities(classes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sum the exclusive classes of each region.

    Args:
        classes: (4, i, j, k): probability of background, NCR, ED, ET.

    Returns:
        (3, i, j, k) float32: probability of WT, TC, ET, each at most its predecessor.
    """
    regions = np.empty((len(REGIONS), *classes.shape[1:]), dtype=np.float32)
    for number, tissues in enumerate(REGIONS.values()):
        first, *others = sorted(tissues)
        regions[number] = classes[first]
        for tissue in others:
            regions[number] += classes[tissue]
    return regions


def decode(regions: npt.NDArray[np.float32], brain: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """One tissue per voxel, so that ET lies in TC, TC in WT, and WT in the brain.

    Args:
        regions: (3, i, j, k): probability of WT, TC, ET.
        brain: (i, j, k).

    Returns:
        (i, j, k) uint8 in the numbers of `Tissue`, 0 for background.
    """
    labels = np.zeros(brain.shape, dtype=np.uint8)
    inside = brain.copy()
    for name, probability in zip(REGIONS, regions, strict=True):
        inside &= probability > _THRESHOLD
        np.copyto(labels, np.uint8(_INNERMOST[name]), where=inside)
    return labels
