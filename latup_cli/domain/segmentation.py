"""What the network said about a study, and where it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Finding
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
        precision_reason: Why this arithmetic and no other.
        threads: CPU threads; 0 if the CPU does not compute.
        options: What the engine was told, such as "use_tf32" to "1".
    """

    asked: str
    used: str
    engine: str
    provider: str
    precision: str
    reason: str
    precision_reason: str = ""
    threads: int = 0
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A label map on one grid.

    Attributes:
        labels: Tissues.
        brain: The brain mask on the same grid.
        probabilities: Region ("WT", "TC", "ET") to (i, j, k) float32 in [0, 1] on the same
            grid; empty unless they were asked for.
    """

    labels: LabelMap
    brain: Mask
    probabilities: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Segmentations:
    """What the network said, on the grid where it was asked and on that of the input.

    Attributes:
        aligned: On the grid of the aligned study, on which volumes are measured.
        native: On the grid of the T1ce as it came; the same object where that is one grid.
        runs_on: Where the network ran.
        windows: How many windows it took.
        views: How often each window was seen, mirrored differently.
        notes: What was done to the answer that people should know.
        quality: What was measured to judge the answer.
    """

    aligned: Segmentation
    native: Segmentation
    runs_on: RunsOn
    windows: int
    views: int = 1
    notes: tuple[str, ...] = ()
    quality: tuple[Finding, ...] = ()
