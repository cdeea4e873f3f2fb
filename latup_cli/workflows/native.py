"""From what the network said on the aligned images to the grid of the T1ce as it came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.segmentation import Segmentation
from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import LabelMap, Mask
from latup_cli.inference.decode import decode, with_core, without_enhancement
from latup_cli.labels import REGIONS, LabelScheme
from latup_cli.preprocess.restore import onto, to_native
from latup_cli.workflows.predict import TISSUE_NUMBERS, Prediction

_HALF = 0.5


def on_aligned_grid(
    found: Prediction, prepared: PreparedStudy, scheme: LabelScheme, *, probabilities: bool
) -> Segmentation:
    """The answer on the grid of the aligned images.

    Args:
        found: What the network said.
        prepared: What it was asked.
        scheme: The numbers to write.
        probabilities: Whether to keep them.
    """
    brain = to_native(prepared.brain.data, prepared).astype(bool, copy=False)
    kept = {}
    if probabilities:
        kept = {
            name: to_native(region, prepared).astype(np.float32, copy=False)
            for name, region in zip(REGIONS, found.regions, strict=True)
        }
    return Segmentation(found.labels.renumbered(scheme), Mask(brain, found.labels.grid), kept)


def on_native_grid(
    found: Prediction,
    prepared: PreparedStudy,
    native: Grid,
    scheme: LabelScheme,
    *,
    probabilities: bool,
) -> Segmentation:
    """The answer on another grid in the same space: scores are moved, then labels are decided.

    Whether an enhancing tumor is too small, and from which probability on a voxel is core, was
    decided where the network looked, once.

    Args:
        found: What the network said.
        prepared: What it was asked.
        native: Of the T1ce as it came.
        scheme: The numbers to write.
        probabilities: Whether to keep them.
    """
    inside = onto(prepared.brain.data[None].astype(np.float32), prepared, native)[0] > _HALF
    scores = onto(_without_islands(found), prepared, native)
    decoded = decode(scores, inside)
    decoded = without_enhancement(decoded) if found.unbelieved_ml else decoded
    decoded = with_core(decoded, scores[list(REGIONS).index("TC")], found.core_threshold)
    labels = LabelMap(decoded, native, TISSUE_NUMBERS)
    kept = {}
    if probabilities:
        regions = scores if found.islands is None else onto(found.regions, prepared, native)
        kept = dict(zip(REGIONS, regions, strict=True))
    return Segmentation(labels.renumbered(scheme), Mask(inside, native), _clipped(kept))


def _without_islands(found: Prediction) -> npt.NDArray[np.float32]:
    """The regions without what was left out: as scores, so that it blurs like the rest."""
    if found.islands is None:
        return found.regions
    return np.where(found.islands, np.float32(0.0), found.regions)


def _clipped(
    probabilities: dict[str, npt.NDArray[np.float32]],
) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.clip(region, 0.0, 1.0) for name, region in probabilities.items()}
