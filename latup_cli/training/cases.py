"""A labelled patient as the training loop sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.labels import REGIONS

REGION_NAMES = tuple(REGIONS)
"""Order of the target's channels: WT, TC, ET."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """One prepared patient on the model's grid, cropped to the brain.

    Attributes:
        name: The study's name.
        image: (modalities, i, j, k) float16, z-scores inside the brain and 0 outside.
        target: (3, i, j, k) uint8: which share of each voxel is WT, TC and ET, in 255ths.
    """

    name: str
    image: npt.NDArray[np.float16]
    target: npt.NDArray[np.uint8]
