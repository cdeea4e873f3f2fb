"""From class probabilities to nested regions, and from regions to one label per voxel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from latup_cli.imaging.itk import components
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


def unbelieved_ml(
    labels: npt.NDArray[np.uint8],
    voxel_ml: float,
    smallest_ml: Mapping[str, float],
    *,
    doubted: bool = False,
) -> float:
    """Volume in mL of an enhancing tumor that is too small or too doubtful to be believed.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`: everything that was found in a study.
        voxel_ml: Volume of one voxel in mL.
        smallest_ml: Region to the volume from which it is believed; see `ModelSpec`.
        doubted: Whether the network is too little sure of it, however large it is.

    Returns:
        The total volume of ET if there is any and it is not believed, else 0.
    """
    found = int(np.count_nonzero(labels == Tissue.ET)) * voxel_ml
    return found if doubted or found < smallest_ml.get("ET", 0.0) else 0.0


def without_enhancement(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The same labels with every voxel of ET as NCR, so that WT and TC stay as they are.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`; not written to.
    """
    return np.where(labels == Tissue.ET, np.uint8(Tissue.NCR), labels)


def core_threshold(
    labels: npt.NDArray[np.uint8], core: npt.NDArray[np.float32], least_share: float
) -> float:
    """What the probability of the core has to exceed, if no tumor goes without some core.

    A glioma that enhances nowhere has a core too, in most experts' outlines about half of it; but
    it looks like edema, and a network that hesitates finds none. So where ET is missing, the
    voxels that are likeliest to be core become it, until they have a share of the tumor.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`: everything that was found in a study.
        core: (i, j, k): probability of TC.
        least_share: Of WT that TC has at least where there is no ET; 0 for no such rule.

    Returns:
        One half if there is ET, no tumor at all, or core enough; else less, and at least 0.
    """
    whole = labels != 0
    wanted = int(np.ceil(np.count_nonzero(whole) * least_share))
    found = int(np.count_nonzero(labels == Tissue.NCR))
    if found >= wanted or (labels == Tissue.ET).any():
        return _THRESHOLD
    likeliest = core[whole]
    last = np.partition(likeliest, likeliest.size - wanted)[likeliest.size - wanted]
    return float(np.clip(np.nextafter(last, np.float32(-1.0)), 0.0, _THRESHOLD))


def with_core(
    labels: npt.NDArray[np.uint8], core: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.uint8]:
    """The same labels with ED as NCR where the core is likelier than a threshold.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`; not written to.
        core: (i, j, k): probability of TC.
        threshold: See `core_threshold`.
    """
    return np.where((labels == Tissue.ED) & (core > threshold), np.uint8(Tissue.NCR), labels)


def islands(
    labels: npt.NDArray[np.uint8], voxel_ml: float, smallest_ml: float
) -> npt.NDArray[np.bool_]:
    """Voxels of those pieces of the whole tumor that are smaller than a volume.

    The largest piece is none of them, so that a tumor never vanishes.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`: everything that was found in a study.
        voxel_ml: Volume of one voxel in mL.
        smallest_ml: From this volume on a piece, its voxels joined by faces, stays.

    Returns:
        (i, j, k).
    """
    pieces, _ = components(labels != 0)
    sizes = np.bincount(pieces.ravel(order="K")) * voxel_ml
    small = sizes < smallest_ml
    small[0] = False
    if sizes.size > 1:
        small[1 + sizes[1:].argmax()] = False
    left_out: npt.NDArray[np.bool_] = small[pieces]
    return left_out
