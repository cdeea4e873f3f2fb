"""What the user may choose, as frozen dataclasses, and where shipped data lie."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from latup_cli.errors import DeviceNameError, EngineNameError

DEFAULT_MODEL = "latup-net"
DEFAULT_LABELS = "brats2021"
AUTO = "auto"
ENGINES = ("auto", "onnxruntime", "openvino")

_PACKAGE = Path(__file__).parent
_CUDA = re.compile(r"cuda(?::(\d+))?")


@dataclass(frozen=True, slots=True)
class Device:
    """Where the network is asked to run.

    Attributes:
        kind: "auto", "cpu" or "cuda".
        index: Which GPU; 0 unless named.
    """

    kind: str = "auto"
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Device:
        """Read "auto", "cpu", "cuda" or "cuda:N".

        Raises:
            DeviceNameError: If the text is none of these.
        """
        wanted = text.strip().lower()
        if wanted in ("auto", "cpu"):
            return cls(wanted)
        cuda = _CUDA.fullmatch(wanted)
        if cuda is None:
            raise DeviceNameError(text)
        return cls("cuda", int(cuda[1] or 0))

    def __str__(self) -> str:
        return f"cuda:{self.index}" if self.kind == "cuda" else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceSettings:
    """How the network is run.

    Attributes:
        device: Where it is asked to run.
        engine: "auto", "onnxruntime" or "openvino".
        overlap: Least share of a window that its neighbor sees too, in [0, 1).
        threads: CPU threads; 0 lets the engine choose.
    """

    device: Device = field(default_factory=Device)
    engine: str = "auto"
    overlap: float = 0.5
    threads: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise EngineNameError(self.engine, ENGINES)
        if not 0.0 <= self.overlap < 1.0:
            raise ValueError(f"overlap must be at least 0 and below 1, not {self.overlap}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """Everything `latup segment` can be told, beyond the images and the output folder.

    Attributes:
        model: Name of a shipped model.
        weights: Folder of a trained model; wins over `model`.
        labels: Label scheme of the mask that is written.
        inference: How the network is run.
        channels: Order of the modalities in a 4-D file, apart by commas; None if the study
            is not one file, or a `dataset.json` states it.
        preview: Whether to draw a PNG.
        save_probabilities: Whether to write the region probabilities.
        overwrite: Whether earlier results may be replaced.
    """

    model: str = DEFAULT_MODEL
    weights: Path | None = None
    labels: str = DEFAULT_LABELS
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    channels: str | None = None
    preview: bool = False
    save_probabilities: bool = False
    overwrite: bool = False


class LesionChallenge(StrEnum):
    """Whose lesion-wise rule counts; each challenge has its own."""

    GLI = "gli"
    """Glioma."""
    MET = "met"
    """Metastases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Everything `latup evaluate` can be told, beyond what to compare and where to write.

    Attributes:
        rule: Whose lesion-wise rule counts.
        labels_predictions: Label scheme of the predictions, or "auto".
        labels_references: Label scheme of the references, or "auto".
        skip_missing: Whether references without a prediction are left out.
        overwrite: Whether earlier results may be replaced.
    """

    rule: LesionChallenge = LesionChallenge.GLI
    labels_predictions: str = AUTO
    labels_references: str = AUTO
    skip_missing: bool = False
    overwrite: bool = False


def default_output(study: Path) -> Path:
    """Where results go unless the user says otherwise."""
    return study / "latup"


def weights_root() -> Path:
    """The folder of shipped models: inside the wheel, or of the checkout."""
    return _shipped("weights", _PACKAGE.parent / "weights")


def sample_root() -> Path:
    """The folder of sample studies: inside the wheel, or of the checkout."""
    return _shipped("sample", _PACKAGE.parent / "sample_data")


def _shipped(name: str, in_checkout: Path) -> Path:
    in_wheel = _PACKAGE / "_data" / name
    return in_wheel if in_wheel.is_dir() else in_checkout
