"""Decide what is left to do: by content, and never by the mere presence of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latup_cli.cohort.hashing import content_key, hash_inputs, is_intact
from latup_cli.cohort.ledger import Ledger
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Failure, Patient, Record
from latup_cli.errors import OtherSettingsError, OutputExistsError


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        todo: Patients to segment.
        before: Records of those that earlier runs saw to, done or failed.
        news: Records that the ledger does not have yet: refused patients, and, as pending,
            those that are to be done.
    """

    todo: tuple[Patient, ...]
    before: tuple[Record, ...]
    news: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run is asked for.

    Attributes:
        output: Folder of all results.
        settings: Identity of model and settings.
        retry_failed: Whether to try again who failed before.
        overwrite: Whether to do everybody anew and to replace whatever is there.
        taken: Whether a folder holds a mask of a study of this name.
    """

    output: Path
    settings: str
    retry_failed: bool = False
    overwrite: bool = False
    taken: Callable[[Path, str], bool]


def part_of(patients: Sequence[Patient], num_parts: int, part_id: int) -> tuple[Patient, ...]:
    """Every `num_parts`-th patient in the order of places: parts are disjoint and cover all."""
    return tuple(patients[part_id::num_parts])


def make_plan(patients: Sequence[Patient], ledger: Ledger, wanted: Wanted) -> Plan:
    """Compare everybody with the ledger.

    Raises:
        OtherSettingsError: If there are results of another model or other settings, which
            nobody has asked to replace.
    """
    if not wanted.overwrite:
        _refuse_other_settings(patients, ledger, wanted)
    todo: list[Patient] = []
    before: list[Record] = []
    news: list[Record] = []
    for patient in patients:
        old = ledger.records.get(patient.name)
        refusal = _refusal(patient, old, wanted)
        if refusal is not None:
            (before if refusal == old else news).append(refusal)
        elif old is not None and _is_settled(patient, old, wanted):
            before.append(old)
        else:
            todo.append(patient)
            inputs = () if old is None else old.inputs
            news.append(Record(patient.name, PENDING, wanted.settings, inputs=inputs))
    return Plan(tuple(todo), tuple(before), tuple(news))


def _refuse_other_settings(patients: Sequence[Patient], ledger: Ledger, wanted: Wanted) -> None:
    records = (ledger.records.get(patient.name) for patient in patients)
    other = [r for r in records if r and r.state == DONE and r.settings != wanted.settings]
    if other:
        raise OtherSettingsError(wanted.output, len(other))


def _refusal(patient: Patient, old: Record | None, wanted: Wanted) -> Record | None:
    """The record of a patient that is not even tried."""
    failure = patient.problem
    if failure is None and old is None and not wanted.overwrite:
        failure = _foreign(patient, wanted)
    if failure is None:
        return None
    return Record(patient.name, FAILED, wanted.settings, failure=failure)


def _foreign(patient: Patient, wanted: Wanted) -> Failure | None:
    """Results of this name that no run here has made are not ours to replace."""
    folder = wanted.output / patient.name
    if not wanted.taken(folder, patient.name):
        return None
    return Failure.of(OutputExistsError(folder / f"{patient.name}_seg.nii.gz"))


def _is_settled(patient: Patient, old: Record, wanted: Wanted) -> bool:
    """Whether nothing is left to do for a patient that the ledger knows."""
    if wanted.overwrite or old.state == PENDING or not old.key:
        return False
    if old.state == FAILED and wanted.retry_failed:
        return False
    if key_now(patient, old, wanted.settings) != old.key:
        return False
    return old.state == FAILED or all(is_intact(file, wanted.output) for file in old.results)


def key_now(patient: Patient, old: Record, settings: str) -> str:
    """The content key of a patient's files as they are; "" if they were not even found."""
    if patient.files is None:
        return ""
    return content_key(settings, patient.files, hash_inputs(patient.files, old.inputs))
