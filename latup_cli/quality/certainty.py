"""Judge how sure the network was of what it outlined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Finding
from latup_cli.labels import REGIONS
from latup_cli.quality.limits import CERTAINTY


def expected_dice(mask: npt.NDArray[np.bool_], probability: npt.NDArray[np.float32]) -> float:
    """Dice that a mask should have, if the network's probabilities are to be believed.

    With every voxel of the truth drawn by its probability p, the expected overlap is the sum of p
    over the mask, and the expected size of the truth its sum over all voxels; Dice is taken of
    these two expectations, 2 sum_mask(p) / (|mask| + sum(p)).

    Args:
        mask: (i, j, k), not empty.
        probability: (i, j, k), in [0, 1].
    """
    overlap = float(probability[mask].sum(dtype=np.float64))
    size = float(probability.sum(dtype=np.float64))
    return 2.0 * overlap / (int(np.count_nonzero(mask)) + size)


def check_certainty(
    labels: npt.NDArray[np.uint8], regions: npt.NDArray[np.float32]
) -> tuple[Finding, ...]:
    """One finding for every region that was found.

    Args:
        labels: (i, j, k) in the numbers of `Tissue`.
        regions: (3, i, j, k): probability of WT, TC, ET.
    """
    findings = []
    for (name, tissues), probability in zip(REGIONS.items(), regions, strict=True):
        mask = np.isin(labels, [int(tissue) for tissue in tissues])
        if mask.any():
            value = expected_dice(mask, probability)
            meaning = f"The network's own probabilities promise a Dice of {value:.2f} for {name}."
            findings.append(CERTAINTY[name].finding(name, value, meaning))
    return tuple(findings)
