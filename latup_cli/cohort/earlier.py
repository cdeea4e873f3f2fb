"""Whose results lie in a patient's place: ours is only what a run of ours has written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from latup_cli.cohort.hashing import content_key, files_of, hash_inputs, is_intact, path_id
from latup_cli.domain.cohort import PENDING, HashedFile, Patient, Record
from latup_cli.domain.result_names import MASK, result_name
from latup_cli.errors import MaskChangedError, OtherStudyError, OutputExistsError


@dataclass(frozen=True, slots=True)
class Looks:
    """How to look at what lies in a patient's folder of results; handed in, for others know it.

    Attributes:
        first_there: The first file that a run would write to a folder for a patient of a name,
            and that is there already; None if there is none.
        is_left_over: Whether there is no mask, or only one that a stopped run may have left.
        is_image: Whether a file can be read as an image.
    """

    first_there: Callable[[Path, str], Path | None]
    is_left_over: Callable[[Path], bool]
    is_image: Callable[[Path], bool]


@dataclass(frozen=True)
class Known:
    """A patient, and the last word of the ledger about whoever had this name.

    Attributes:
        patient: Who was found.
        record: What the ledger says; None if it says nothing.
        output: Folder of all results.
        settings: Identity of model and settings.
    """

    patient: Patient
    record: Record | None
    output: Path
    settings: str

    @cached_property
    def hashed(self) -> dict[str, HashedFile]:
        """The patient's files as they are; none if they were not even found."""
        before = () if self.record is None else self.record.inputs
        files = self.patient.files
        return {} if files is None else hash_inputs(files, before)

    @cached_property
    def key(self) -> str:
        """The content key of these files; "" if they were not even found."""
        files = self.patient.files
        return "" if files is None else content_key(self.settings, files, self.hashed)

    @property
    def mask(self) -> Path:
        """Where the patient's mask goes."""
        name = self.patient.name
        return self.output / name / result_name(name, MASK)


def refusal(known: Known, looks: Looks) -> OutputExistsError | None:
    """Why what lies in a patient's place may not be replaced unasked; None if it may.

    Results that the ledger names are ours, unless they are of another study's patient of the
    same name, or somebody has worked on the mask since. Without a word about results, nothing is
    ours but what a run that was stopped may have left.
    """
    old = known.record
    if old is not None and old.results:
        if _is_of_another_study(known, old):
            return OtherStudyError(known.mask)
        return MaskChangedError(known.mask) if _was_changed(known, old, looks) else None
    if old is not None and old.state == PENDING:  # the place was free when that was written
        return None if looks.is_left_over(known.mask) else OutputExistsError(known.mask)
    there = looks.first_there(known.mask.parent, known.patient.name)
    return None if there is None else OutputExistsError(there)


def _is_of_another_study(known: Known, old: Record) -> bool:
    """Whether the mask was made from other images that lie elsewhere.

    Images that changed where they lie are the same patient's, and a study that was moved has
    its key.
    """
    if known.patient.files is None or not known.mask.exists():
        return False
    found = known.patient.files.modalities.values()
    ours = {path_id(path) for file in found for path in files_of(file)}
    return ours.isdisjoint(file.path_id for file in old.inputs) and known.key != old.key


def _was_changed(known: Known, old: Record, looks: Looks) -> bool:
    """Whether the mask is a whole image, and not the one that was written.

    A run that was killed may have put a newer one there without a word in the ledger.
    """
    mask = old.results[0]
    if is_intact(mask, known.output) or not looks.is_image(known.output / mask.path):
        return False
    return old.state != PENDING or not looks.is_left_over(known.output / mask.path)
