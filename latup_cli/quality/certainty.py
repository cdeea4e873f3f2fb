"""Judge how sure the network was of what it outlined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Check, Direction, Finding, Limit

_HINT = "The network hesitates; judge this region by eye, above all its border."


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
    region: str,
    mask: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float32],
    least: float | None,
) -> Finding | None:
    """How sure the network was of a region; None where it found none of it.

    Args:
        region: "WT", "TC" or "ET".
        mask: (i, j, k).
        probability: (i, j, k), of the region.
        least: Promised Dice below which it is odd. Networks are more or less sure of themselves,
            so it belongs to a model; None if it was not measured.
    """
    if not mask.any():
        return None
    value = expected_dice(mask, probability)
    meaning = f"The network's own probabilities promise a Dice of {value:.2f} for {region}."
    limit = Limit(bad=Direction.BELOW, warn_at=least)
    return Check(name="certainty", unit="", limit=limit, hint=_HINT).finding(region, value, meaning)
