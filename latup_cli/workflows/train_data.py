"""Whom `latup train` trains on and chooses weights by: found, divided, checked, prepared."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from latup_cli.config import AUTO
from latup_cli.domain.model import ModelSpec
from latup_cli.errors import PreparationInterruptedError, SharedPatientError
from latup_cli.labels import LabelScheme
from latup_cli.training.cases import StoredCase
from latup_cli.training.split import fold, held_out_share, patient_of
from latup_cli.workflows.labeled import (
    LabeledFiles,
    OnCase,
    check,
    find_labeled,
    prepare_cases,
    scheme_of,
)
from latup_cli.workflows.signals import interruptible
from latup_cli.workflows.teacher import Teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What to train on and what to choose weights by.

    Attributes:
        folders: Folders of patient folders.
        validation: The same, for choosing the best weights; never trained on. If empty, a
            fold or a share of `folders` is held out.
        held_out: Share of patients to hold out.
        folds: If not 0, divide the patients into so many folds instead.
        fold: Which fold to hold out, from 0.
        labels: Name of the label scheme, or "auto".
    """

    folders: Sequence[Path]
    validation: Sequence[Path] = ()
    held_out: float = 0.2
    folds: int = 0
    fold: int = 0
    labels: str = AUTO


@dataclass(frozen=True, slots=True)
class Split:
    """Patients to train on, patients to choose weights by, and the scheme of their labels."""

    training: Sequence[LabeledFiles]
    validation: Sequence[LabeledFiles]
    scheme: LabelScheme

    @property
    def names(self) -> dict[str, list[str]]:
        """Names of studies by side: "training" and "validation"."""
        sides = {"training": self.training, "validation": self.validation}
        return {side: [scan.name for scan in scans] for side, scans in sides.items()}


@dataclass(frozen=True, slots=True)
class Preparing:
    """News of the patients before the first step.

    Attributes:
        stage: "check" for patients that are read and prepared to see whether they can be,
            "prepare" for those whose prepared images and targets are kept.
        done: Patients.
        total: Patients of this stage.
    """

    stage: str
    done: int
    total: int


Told: TypeAlias = Callable[[Preparing], None]


def split_patients(data: TrainingData, seed: int) -> Split:
    """Find all patients and divide them, never a patient's scans.

    Raises:
        InputError: If modalities or segmentations are missing, or labels cannot be told.
        NothingToTrainOnError: If one side would be empty.
        SharedPatientError: If scans of one patient are on both sides.
    """
    patients = find_labeled(data.folders)
    if data.validation:
        validation = find_labeled(data.validation)
        _refuse_shared(patients, validation)
        return Split(patients, validation, scheme_of([*patients, *validation], data.labels))
    names = [patient.name for patient in patients]
    if data.folds:
        out = fold(names, folds=data.folds, index=data.fold, seed=seed)
    else:
        out = held_out_share(names, share=data.held_out, seed=seed)
    held_out = [patient for patient, is_out in zip(patients, out, strict=True) if is_out]
    kept = [patient for patient, is_out in zip(patients, out, strict=True) if not is_out]
    return Split(kept, held_out, scheme_of(patients, data.labels))


def check_patients(split: Split, spec: ModelSpec, told: Told) -> None:
    """Read and prepare everybody, and keep nothing.

    Raises:
        LabeledDataError: Naming every case that cannot be used, and why.
    """
    patients = [*split.training, *split.validation]
    check(patients, spec, split.scheme, on_case=_telling(told, "check", len(patients)))


def prepare_patients(
    split: Split, spec: ModelSpec, cache: Path, teacher: Teacher | None, told: Told
) -> Sequence[StoredCase]:
    """The patients to train on, prepared, after a look at those that weights are chosen by.

    Args:
        split: Who is who.
        spec: The model that learns.
        cache: Where prepared patients are kept.
        teacher: A model that has its share in the targets; None for the expert's labels alone.
        told: Called after every patient.

    Raises:
        LabeledDataError: Naming every case that cannot be used, and why.
        OutputError: If the cache cannot be written.
        PreparationInterruptedError: After Ctrl-C or SIGTERM.
    """
    chosen_by, trained_on = split.validation, split.training
    on_check = _telling(told, "check", len(chosen_by))
    on_case = _telling(told, "prepare", len(trained_on))
    try:
        with interruptible(at_once=(signal.SIGINT, signal.SIGTERM)):
            check(chosen_by, spec, split.scheme, on_case=on_check)
            return prepare_cases(
                trained_on, spec, split.scheme, cache, teacher=teacher, on_case=on_case
            )
    except KeyboardInterrupt:
        raise PreparationInterruptedError from None


def _refuse_shared(training: Sequence[LabeledFiles], validation: Sequence[LabeledFiles]) -> None:
    """Refuse scans of one patient on both sides, also those of different time points."""
    scans = {patient_of(scan.name): scan.name for scan in training}
    for scan in validation:
        other = scans.get(patient_of(scan.name))
        if other is not None:
            raise SharedPatientError(other, scan.name)


def _telling(told: Told, stage: str, total: int) -> OnCase:
    return lambda done: told(Preparing(stage, done, total))
