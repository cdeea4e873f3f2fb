"""A study of many patients: who was found, what became of each, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from latup_cli.domain.study import StudyFiles
from latup_cli.errors import LatupError

DONE, FAILED, PENDING = "done", "failed", "pending"
"""What the ledger says about a patient; pending is to be done, or was when a run ended."""

Row: TypeAlias = Mapping[str, Any]
"""Column to value of a patient's row in the summary; values are JSON's."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a patient has no result.

    Attributes:
        error: The error's class.
        exit_code: What `latup segment` would have ended with.
        message: What is wrong.
        hint: What to do about it.
        everybody: Whether the next patient would fail for the same reason: the disk is full.
    """

    error: str
    exit_code: int
    message: str
    hint: str = ""
    everybody: bool = False

    @classmethod
    def of(cls, error: LatupError, *, everybody: bool = False) -> Failure:
        """The failure that an error of ours stands for."""
        return cls(type(error).__name__, error.exit_code, str(error), error.hint, everybody)


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient of a study.

    Attributes:
        name: In outputs; no two patients of a study share it.
        place: Where the images are, relative to the study, with forward slashes; or the row of
            a table. May carry a person's name, so that it is never written anywhere.
        shown: The place as people may see it.
        source: The folder or 4-D file; None if the four files were named by a table.
        files: Which file is which modality; None if there is a problem.
        problem: Why the patient cannot be segmented, as far as names of files tell.
        private: Words of DICOM tags that tell who the patient is; no output may hold them.
    """

    name: str
    place: str
    shown: str
    source: Path | None
    files: StudyFiles | None = None
    problem: Failure | None = None
    private: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A folder that holds no patient, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """Everybody that was found, in the order of their places.

    Attributes:
        root: The study's folder, or that of its table.
        patients: Ready ones and those with a problem.
        passed_over: Folders that hold no patient.
    """

    root: Path
    patients: tuple[Patient, ...]
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class HashedFile:
    """An input file whose bytes were hashed.

    Attributes:
        path_id: A hash of its path; the path itself may carry a person's name.
        size: Bytes.
        mtime_ns: When it was last written.
        inode: The file system's number of it.
        hashed_ns: When it was hashed, on this computer's clock.
        sha256: Of its bytes.
    """

    path_id: str
    size: int
    mtime_ns: int
    inode: int
    hashed_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A result that was renamed into its place.

    Attributes:
        path: Relative to the output folder, with forward slashes.
        size: Bytes.
        mtime_ns: When it was written.
        sha256: Of its bytes; "" for files that are not the mask.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger says about one patient; of several, the last one counts.

    Attributes:
        name: The patient.
        state: `DONE`, `FAILED` or `PENDING`.
        settings: Identity of model and settings.
        key: Identity of inputs, model and settings; "" if the inputs could not be read.
        inputs: The files that were hashed for it.
        results: What the last run that succeeded has written, even if a later one did not; the
            mask comes first.
        row: Of a patient that is done, or whose result is good but was refused since; then key
            and inputs are those of the result.
        failure: Of a patient that failed.
    """

    name: str
    state: str
    settings: str = ""
    key: str = ""
    inputs: tuple[HashedFile, ...] = ()
    results: tuple[WrittenFile, ...] = ()
    row: Row = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to do one patient.

    Attributes:
        name: The patient's name in outputs.
        files: Which file is which modality.
        source: The study's folder; reported paths are relative to it.
        output: Folder of all results; the patient's go to a folder of its name in there.
        version: Of the program that asks.
        removable: Names of an earlier run's results that go if they are not written again.
    """

    name: str
    files: StudyFiles
    source: Path
    output: Path
    version: str
    removable: frozenset[str] = frozenset()
