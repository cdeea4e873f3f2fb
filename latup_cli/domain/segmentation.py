"""What the network said about a study, and where it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.volume import LabelMap, Mask


@dataclass(frozen=True, slots=True)
class RunsOn:
    """Where the network ran.

    Attributes:
        asked: The device that was asked for: "auto", "cpu", "cuda" or "cuda:1".
        used: The device that was used: "cpu" or "cuda:0".
        engine: "onnxruntime" or "openvino", with its version.
        provider: The engine's own name for the device.
        precision: Arithmetic, such as "float32".
        reason: Why this device and no other.
    """

    asked: str
    used: str
    engine: str
    provider: str
    precision: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A label map on the input's own grid.

    Attributes:
        labels: Tissues, on the input's grid and in its axis order.
        brain: The brain mask on the same grid.
        probabilities: Region ("WT", "TC", "ET") to (i, j, k) float32 in [0, 1] on the same
            grid; empty unless they were asked for.
        runs_on: Where the network ran.
        windows: How many windows it took.
    """

    labels: LabelMap
    brain: Mask
    runs_on: RunsOn
    windows: int
    probabilities: Mapping[str, npt.NDArray[np.float32]]
