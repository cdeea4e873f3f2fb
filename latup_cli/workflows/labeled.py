"""Labeled patients for training and validation: found, all checked, prepared once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.cohort.hashing import file_sha256, files_of
from latup_cli.cohort.ledger import FOLDER
from latup_cli.config import AUTO
from latup_cli.domain.label_schemes import detect_scheme
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.study import AlignedStudy, FoundFile, PreparedStudy, StudyFiles
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import (
    LabeledDataError,
    LatupError,
    MissingSegmentationError,
    NothingToTrainOnError,
    OutputError,
    SegmentationGridError,
    UnreachableError,
)
from latup_cli.evaluation.pairs import OURS
from latup_cli.imaging import nifti
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.intake.naming import shown_place
from latup_cli.labels import LabelScheme, label_scheme
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.preprocess.reference import region_shares
from latup_cli.training.cases import StoredCase, TrainingCase, store, tumor_voxels
from latup_cli.training.settings import SETTINGS_FILE
from latup_cli.workflows.teacher import Teacher

OnCase: TypeAlias = Callable[[int], None]
"""Told after each patient how many are done."""

_PREPARATION = "1"  # part of every cache key; raised when preparing gives other voxels


@dataclass(frozen=True, slots=True)
class LabeledFiles:
    """A patient with labels: the study and its segmentation's path."""

    study: StudyFiles
    segmentation: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name


@dataclass(frozen=True, slots=True, eq=False)
class LabeledStudy:
    """A prepared study and its expert labels on the native grid."""

    name: str
    prepared: PreparedStudy
    labels: LabelMap


@dataclass(slots=True)
class _Problems:
    """Everything that is wrong, collected before anything is refused."""

    found: dict[str, LatupError] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Do something for one case; if it cannot be done, remember why and go on.

        Raises:
            OutputError: If the disk is full: no other case will fit either.
        """
        try:
            yield
        except OutputError:
            raise
        except LatupError as error:
            self.found[name] = error

    def refuse_any(self) -> None:
        """Refuse the data set if any case has a problem.

        Raises:
            LabeledDataError: Naming every case and its problem.
        """
        if self.found:
            raise LabeledDataError({name: str(error) for name, error in self.found.items()})


def find_labeled(folders: Iterable[Path]) -> tuple[LabeledFiles, ...]:
    """Every patient folder directly below some folders, sorted by path; not our own results.

    Raises:
        NothingToTrainOnError: If there is none.
        LabeledDataError: If modalities or a segmentation are missing somewhere.
    """
    problems = _Problems()
    found = []
    for folder in _patient_folders(folders):
        with problems.of(folder.name):
            found.append(_labeled(folder))
    problems.refuse_any()
    if not found:
        raise NothingToTrainOnError("There are no patient folders.")
    return tuple(found)


def scheme_of(patients: Sequence[LabeledFiles], declared: str) -> LabelScheme:
    """The label scheme that was declared, or that all segmentations together are in.

    Raises:
        LabeledDataError: If a segmentation cannot be read.
        UnknownLabelSchemeError: If there is no such scheme.
        AmbiguousLabelsError: If the values do not decide.
    """
    if declared != AUTO:
        return label_scheme(declared)
    problems = _Problems()
    values: dict[str, frozenset[int]] = {}
    for patient in patients:
        with problems.of(patient.name):
            values[patient.name] = _values(patient)
    problems.refuse_any()
    return detect_scheme(values)


def check(
    patients: Sequence[LabeledFiles],
    spec: ModelSpec,
    scheme: LabelScheme,
    *,
    on_case: OnCase = lambda _: None,
) -> None:
    """Read and prepare every patient, and report all problems at once.

    Args:
        patients: Whom.
        spec: The model that they are prepared for.
        scheme: Of the labels.
        on_case: Called after each.

    Raises:
        LabeledDataError: Naming every case that cannot be used, and why.
    """
    problems = _Problems()
    for count, patient in enumerate(patients, start=1):
        with problems.of(patient.name):
            load_labeled(patient, spec, scheme)
        on_case(count)
    problems.refuse_any()


def prepare_cases(
    patients: Sequence[LabeledFiles],
    spec: ModelSpec,
    scheme: LabelScheme,
    cache: Path,
    *,
    teacher: Teacher | None = None,
    on_case: OnCase = lambda _: None,
) -> tuple[StoredCase, ...]:
    """Prepare patients for training, each once: the key is the content of its files.

    Args:
        patients: Whom.
        spec: The model that learns.
        scheme: Of the labels.
        cache: Where they are kept.
        teacher: A model that has its share in the targets; None for the expert's labels alone.
        on_case: Called after each.

    Raises:
        LabeledDataError: Naming every case that cannot be used, and why.
        OutputError: If the cache cannot be written.
    """
    problems = _Problems()
    cases = []
    for count, patient in enumerate(patients, start=1):
        with problems.of(patient.name):
            stored = StoredCase(patient.name, cache / _key(patient, spec, scheme, teacher))
            if not stored.complete:
                store(_training_case(patient, spec, scheme, teacher), stored.folder)
            cases.append(stored)
        on_case(count)
    problems.refuse_any()
    return tuple(cases)


def load_labeled(patient: LabeledFiles, spec: ModelSpec, scheme: LabelScheme) -> LabeledStudy:
    """Read, check and prepare one patient with labels.

    Raises:
        InputError: If an image or the labels are unusable.
        QualityError: If a quality check refuses the study.
    """
    study, labels = _read(patient, scheme)
    return LabeledStudy(patient.name, prepare(study, spec), labels)


def _read(patient: LabeledFiles, scheme: LabelScheme) -> tuple[AlignedStudy, LabelMap]:
    """A patient's images and labels, which lie on one grid."""
    study = load_study(patient.study)
    image = nifti.read_labels(patient.segmentation)
    if not image.grid.matches(study.grid):
        raise SegmentationGridError(Path(patient.segmentation.name))
    labels = LabelMap(image.data.astype(np.uint8, copy=False), study.grid, scheme)
    return as_aligned(study), labels


def _patient_folders(folders: Iterable[Path]) -> list[Path]:
    parents = list(folders)
    for parent in parents:
        if not parent.is_dir():
            raise NothingToTrainOnError(f"{parent} is not a folder.")
    return sorted(
        folder
        for parent in parents
        for folder in parent.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and not _is_ours(folder)
    )


def _is_ours(folder: Path) -> bool:
    """Whether `latup segment`, `batch` or `train` wrote here, by its name or what lies in it."""
    named = folder.name in (OURS, FOLDER)
    return named or (folder / FOLDER).is_dir() or (folder / SETTINGS_FILE).is_file()


def _labeled(folder: Path) -> LabeledFiles:
    files = find_study(folder)
    if files.segmentation is None:
        raise MissingSegmentationError(folder.name)
    return LabeledFiles(files, files.segmentation.path)


def _values(patient: LabeledFiles) -> frozenset[int]:
    data = nifti.read_labels(patient.segmentation).data.astype(np.uint8, copy=False)
    return frozenset(np.flatnonzero(np.bincount(data.ravel())).tolist())


def _training_case(
    patient: LabeledFiles, spec: ModelSpec, scheme: LabelScheme, teacher: Teacher | None
) -> TrainingCase:
    study, labels = _read(patient, scheme)
    prepared = prepare(study, spec)
    shares = region_shares(labels, prepared)
    voxels = tumor_voxels(_in_255ths(shares))
    if teacher is not None:
        shares = teacher.blended(shares, prepared.grid, prepare(study, teacher.spec))
    image = prepared.image.astype(np.float16)
    return TrainingCase(patient.name, image, _in_255ths(shares), voxels)


def _in_255ths(shares: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    rounded: npt.NDArray[np.uint8] = np.rint(shares * 255.0).astype(np.uint8)
    return rounded


def _key(
    patient: LabeledFiles, spec: ModelSpec, scheme: LabelScheme, teacher: Teacher | None
) -> str:
    """Changes with any byte of the patient's files and with anything that preparing depends on.

    Raises:
        UnreachableError: If a file cannot be read.
    """
    images = {**patient.study.modalities, "seg": FoundFile(patient.segmentation, "")}
    recipe = (_PREPARATION, spec.channels, spec.axis_order, spec.spacing_mm, spec.normalization)
    taught = () if teacher is None else teacher.identity
    digest = hashlib.sha256(repr((*recipe, scheme.name, *taught)).encode())
    for role, found in sorted(images.items()):
        digest.update(role.encode())
        if found.volume is not None:
            digest.update(f" {found.volume}".encode())
        for path in files_of(found):  # header and voxels of a pair, every slice of a series
            digest.update(_content(path))
    return digest.hexdigest()[:24]


def _content(path: Path) -> bytes:
    try:
        return bytes.fromhex(file_sha256(path))
    except OSError as error:
        raise UnreachableError(shown_place(path), (error.strerror or str(error)).lower()) from None
