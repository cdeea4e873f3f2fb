"""What the user may choose, as frozen dataclasses, and where shipped data lie."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from latup_cli.errors import (
    DeviceNameError,
    EngineNameError,
    PartError,
    PrecisionNameError,
    PrecisionPlaceError,
    ThreadsError,
)
from latup_cli.labels import label_scheme

DEFAULT_MODEL = "latup-net"
FAST_MODEL = "latup-net-fast"
DEFAULT_LABELS = "brats2021"
AUTO = "auto"
ENGINES = ("auto", "onnxruntime", "openvino")
FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
PRECISIONS = (AUTO, FLOAT32, BFLOAT16, INT8)

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
        precision: "auto", "float32", "bfloat16" or "int8"; the latter two are OpenVINO's.
        threads: CPU threads; 0 for as many as this process may use.
    """

    device: Device = field(default_factory=Device)
    engine: str = "auto"
    precision: str = AUTO
    threads: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise EngineNameError(self.engine, ENGINES)
        if self.precision not in PRECISIONS:
            raise PrecisionNameError(self.precision, PRECISIONS)
        if self.precision in (BFLOAT16, INT8) and (
            self.engine == "onnxruntime" or self.device.kind == "cuda"
        ):
            raise PrecisionPlaceError(self.precision)
        if self.threads < 0:
            raise ThreadsError(self.threads)


class SkullStrip(StrEnum):
    """Who removes the skull, where there is one."""

    AUTO = "auto"
    """The networks that came with the package."""
    HD_BET = "hd-bet"
    """HD-BET, where the user has it installed."""
    NONE = "none"
    """Nobody: a study with a skull is refused."""


class Space(StrEnum):
    """On which grid the mask is written."""

    NATIVE = "native"
    """The T1ce as it came."""
    MODEL = "model"
    """The grid on which the modalities were brought together."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSettings:
    """How a study is made model-ready.

    Attributes:
        register: Whether the modalities are moved onto the T1ce; None to do so where they lie
            on different grids.
        skull_strip: Who removes the skull, where there is one.
        brain_mask: A mask on the grid of the T1ce, which wins over everything else.
        n4: Whether the bias field is removed (N4).
        force: Whether to go on where a quality check refuses.
    """

    register: bool | None = None
    skull_strip: SkullStrip = SkullStrip.AUTO
    brain_mask: Path | None = None
    n4: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """Everything `latup segment` can be told, beyond the images and the output folder.

    Attributes:
        model: Name of a shipped model.
        weights: Folder of a trained model; wins over `model`.
        labels: Label scheme of the mask that is written.
        preparation: How the study is made model-ready.
        inference: How the network is run.
        tta: Whether each window is also seen mirrored, in 8 views whose answers are averaged.
        low_memory: Whether the smallest window that the model was measured with is used.
        space: On which grid the mask is written.
        channels: Order of the modalities in a 4-D file, apart by commas; None if the study
            is not one file, or a `dataset.json` states it.
        preview: Whether to draw a PNG.
        save_probabilities: Whether to write the region probabilities.
        keep_intermediates: Whether to write the aligned images and the brain mask.
        dicom_seg: Whether to write a DICOM Segmentation too.
        overwrite: Whether earlier results may be replaced.

    Raises:
        UnknownLabelSchemeError: If there are no such labels.
    """

    model: str = DEFAULT_MODEL
    weights: Path | None = None
    labels: str = DEFAULT_LABELS
    preparation: PreparationSettings = field(default_factory=PreparationSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    tta: bool = False
    low_memory: bool = False
    space: Space = Space.NATIVE
    channels: str | None = None
    preview: bool = False
    save_probabilities: bool = False
    keep_intermediates: bool = False
    dicom_seg: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        label_scheme(self.labels)


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

    Raises:
        UnknownLabelSchemeError: If there are no such labels.
    """

    rule: LesionChallenge = LesionChallenge.GLI
    labels_predictions: str = AUTO
    labels_references: str = AUTO
    skip_missing: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in (self.labels_predictions, self.labels_references):
            if name != AUTO:
                label_scheme(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Everything `latup batch` can be told, beyond the study and the output folder.

    Attributes:
        segment: How each patient is segmented; its `overwrite` is not looked at.
        jobs: Worker processes, each with a model of its own.
        num_parts: Into how many parts the study is split.
        part_id: Which part to do, from 0.
        retry_failed: Whether to try again who failed before.
        overwrite: Whether to do everybody anew and to replace what is there.
        scheduler: Address or scheduler file of a Dask cluster; None to work on this computer.
    """

    segment: SegmentSettings = field(default_factory=SegmentSettings)
    jobs: int = 1
    num_parts: int = 1
    part_id: int = 0
    retry_failed: bool = False
    overwrite: bool = False
    scheduler: str | None = None

    def __post_init__(self) -> None:
        for option, value in (("--jobs", self.jobs), ("--num-parts", self.num_parts)):
            if value < 1:
                raise PartError(option, value)
        if not 0 <= self.part_id < self.num_parts:
            raise PartError("--part-id", self.part_id)


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
