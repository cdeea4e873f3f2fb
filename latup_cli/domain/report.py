"""What is told about one segmentation, complete enough to judge and to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from latup_cli.domain.finding import Finding
from latup_cli.domain.grid import Shape
from latup_cli.domain.segmentation import RunsOn
from latup_cli.domain.study import Step
from latup_cli.labels import LabelScheme

SCHEMA_VERSION = 1
"""Of the JSON report; raised when a field changes its meaning, its name, or goes away."""

NOTICE = (
    "Not a medical device. For research use only; every result needs review by a qualified reader."
)


@dataclass(frozen=True, slots=True)
class RegionVolume:
    """How large one region is.

    Attributes:
        region: "WT", "TC", "ET", "NCR" or "ED".
        name: The region in words.
        voxels: Voxels on the input's grid.
        volume_ml: Volume in mL.
        share_of_brain_percent: Volume as a percentage of the brain's.
    """

    region: str
    name: str
    voxels: int
    volume_ml: float
    share_of_brain_percent: float


@dataclass(frozen=True, slots=True)
class Volumes:
    """The brain and the tumor in it.

    Attributes:
        brain_voxels: Voxels of the brain on the input's grid.
        brain_ml: Volume of the brain in mL, tumor included.
        regions: WT, TC, ET, NCR, ED, in this order.
    """

    brain_voxels: int
    brain_ml: float
    regions: tuple[RegionVolume, ...]

    def __getitem__(self, region: str) -> RegionVolume:
        """One region by its short name.

        Raises:
            KeyError: If there is none of that name.
        """
        found = next((volume for volume in self.regions if volume.region == region), None)
        if found is None:
            raise KeyError(region)
        return found


@dataclass(frozen=True, slots=True)
class InputFile:
    """One image that was read.

    Attributes:
        modality: "t1", "t1ce", "t2" or "flair".
        path: Relative to the study's folder, with forward slashes.
        sha256: Of the file's bytes, in lower-case hexadecimal; of header and voxels in a row
            for a `.hdr/.img` pair.
        reason: Why it was taken for this modality.
    """

    modality: str
    path: str
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class InputGrid:
    """A voxel lattice.

    Attributes:
        shape: Voxels along i, j, k.
        spacing_mm: Between voxel centers along i, j, k.
        axis_order: Where i, j, k point to, such as "LPS".
        voxel_ml: Volume of one voxel in mL.
    """

    shape: Shape
    spacing_mm: tuple[float, float, float]
    axis_order: str
    voxel_ml: float


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights gave the answer; `sha256` is that of the ONNX graph."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What kind of computer it was, and nothing that says which one."""

    system: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything about one segmentation that outlives the run.

    Attributes:
        study: The study's name in outputs, the only word about the patient.
        created: When, in UTC.
        inputs: The files that were read.
        grid: The lattice of the T1ce as it came, on which the mask is written.
        model: The weights.
        runs_on: The device that was asked for, the one that was used, and why.
        windows: Windows that the network was run on.
        window: Voxels of each along i, j, k, on the model's grid.
        views: How often each was seen, mirrored differently: 1, or 8 with `--tta`.
        software: Package to version.
        machine: Kind of computer.
        stage_seconds: Stage to seconds, in the order of the work.
        steps: What preprocessing did, in order.
        warnings: What was odd and was accepted.
        labels: The numbers in the segmentation file and what they mean.
        volumes: Of the brain and the tumor, on the grid where the network was asked.
        quality: What was measured to judge the study's preparation and the answer.
        aligned_grid: The lattice on which the modalities were brought together; None if it is
            that of the T1ce.
        native_volumes: Volumes on the grid of the T1ce; None if that is where they were measured.
        notice: What the result is not.
        schema_version: Of this record.

    Raises:
        ValueError: If `created` names no time zone.
    """

    study: str
    created: datetime
    inputs: tuple[InputFile, ...]
    grid: InputGrid
    model: ModelIdentity
    runs_on: RunsOn
    windows: int
    window: Shape
    software: Mapping[str, str]
    machine: Machine
    stage_seconds: Mapping[str, float]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    labels: LabelScheme
    volumes: Volumes
    quality: tuple[Finding, ...] = ()
    aligned_grid: InputGrid | None = None
    native_volumes: Volumes | None = None
    views: int = 1
    notice: str = NOTICE
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise ValueError("the time of a report needs a time zone")
        object.__setattr__(self, "created", self.created.astimezone(UTC))
