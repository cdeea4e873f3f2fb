"""What `latup train` is told, and what it is to draw from: refused before patients are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from latup_cli.config import Device
from latup_cli.errors import UnusedSourceError
from latup_cli.training.appearance import Appearances
from latup_cli.training.cases import Case
from latup_cli.training.checkpoint import load_initial
from latup_cli.training.crops import Crops
from latup_cli.training.lesions import Lesions
from latup_cli.training.network import LatupNet
from latup_cli.training.settings import SETTINGS_FILE, TrainSettings
from latup_cli.training.simulate import Shapes
from latup_cli.workflows.teacher import Teacher
from latup_cli.workflows.train_data import TrainingData

CHECKPOINT = "last.pt"
"""Where a run stands, in its directory."""

_SOURCES = {
    "simulate_probability": "shapes",
    "lesion_probability": "lesions",
    "teacher_share": "teacher",
}
"""What is named by a setting, and has to be given for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """Everything `latup train` can be told.

    Attributes:
        data: Labeled patients.
        settings: The run's settings.
        run_dir: Checkpoints and log; an earlier run there goes on.
        cache: Where prepared patients are kept; by default in `run_dir`.
        initial: A source model or checkpoint to start from.
        appearances: A table of how other tumors look, beside those that are trained on.
        shapes: Shapes of other tumors, to be drawn into the patients.
        lesions: Lesions of other patients, to be put into these.
        teacher: Directory of a model that has its share in the targets.
        device: Where to train.
        hours: Stop after so many hours, with a checkpoint; None for no limit.
    """

    data: TrainingData
    settings: TrainSettings
    run_dir: Path
    cache: Path | None = None
    initial: Path | None = None
    appearances: Path | None = None
    shapes: Path | None = None
    lesions: Path | None = None
    teacher: Path | None = None
    device: Device = field(default_factory=Device)
    hours: float | None = None

    @property
    def checkpoint(self) -> Path:
        """Where the run stands, if it was begun."""
        return self.run_dir / CHECKPOINT


def settings_of_run(run_dir: Path) -> Path | None:
    """The settings of a run that was begun in a directory; None if there is none."""
    settings = run_dir / SETTINGS_FILE
    return settings if settings.is_file() and (run_dir / CHECKPOINT).is_file() else None


@dataclass(frozen=True, slots=True)
class Sources:
    """What a run is given beside its patients, read; None for what was not given.

    Attributes:
        initial: The weights to start from.
        appearances: How other tumors look.
        shapes: Shapes of other tumors.
        lesions: Lesions of other patients.
    """

    initial: LatupNet | None
    appearances: Appearances | None
    shapes: Shapes | None
    lesions: Lesions | None

    @classmethod
    def load(cls, request: TrainRequest) -> Self:
        """Read everything that was given.

        Raises:
            UnusedSourceError: If settings ask for what was not given, or the other way round.
            TrainingError: If a file is not there, or is not what it is given as.
        """
        _check(request)
        return cls(
            load_initial(request.initial, request.settings) if request.initial else None,
            Appearances.load(request.appearances) if request.appearances else None,
            Shapes.load(request.shapes) if request.shapes else None,
            Lesions.load(request.lesions) if request.lesions else None,
        )

    def crops(self, cases: Sequence[Case], settings: TrainSettings) -> Crops:
        """The crops that a run is made of."""
        appearances = None
        if _borrows_contrasts(settings):
            ours = Appearances.of_cases(cases)
            appearances = ours.joined(self.appearances) if self.appearances else ours
        return Crops(cases, settings, appearances, self.shapes, self.lesions)


def load_teacher(request: TrainRequest) -> Teacher | None:
    """The model that has its share in the targets; None if it has none.

    Raises:
        ModelError: If it cannot be used.
        DeviceError: If the device that was asked for cannot be used.
    """
    if request.teacher is None:
        return None
    share, tta = request.settings.teacher_share, request.settings.teacher_tta
    return Teacher.load(request.teacher, share, request.device, tta=tta)


def _check(request: TrainRequest) -> None:
    """Refuse what would silently do nothing."""
    settings = request.settings
    for setting, source in _SOURCES.items():
        given = getattr(request, source) is not None
        if given != bool(getattr(settings, setting)):
            raise UnusedSourceError(setting, source, given=given)
    if request.appearances and not _borrows_contrasts(settings):
        raise UnusedSourceError("paint_probability", "appearances", given=True)


def _borrows_contrasts(settings: TrainSettings) -> bool:
    return bool(settings.paint_probability or settings.simulate_probability)
