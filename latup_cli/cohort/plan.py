"""Decide what is left to do: by content, and never by the mere presence of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latup_cli.cohort.earlier import Known, Looks, refusal
from latup_cli.cohort.hashing import is_intact
from latup_cli.cohort.ledger import Ledger
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Failure, HashedFile, Patient, Record
from latup_cli.errors import OtherSettingsError


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        todo: Patients to segment.
        before: Records of those that earlier runs saw to, done or failed.
        news: Records that the ledger does not have yet: refused patients; those whose result is
            good again, or whose images were moved; and, as pending, those that are to be done.
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
        looks: How to look at what lies where results go.
    """

    output: Path
    settings: str
    retry_failed: bool = False
    overwrite: bool = False
    looks: Looks


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
        known = Known(patient, old, wanted.output, wanted.settings)
        record = _refused(known, wanted) or _settled(known, wanted)
        if record is None:
            todo.append(patient)
            news.append(_pending(known))
        else:
            (before if record == old else news).append(record)
    return Plan(tuple(todo), tuple(before), tuple(news))


def _refuse_other_settings(patients: Sequence[Patient], ledger: Ledger, wanted: Wanted) -> None:
    records = (ledger.records.get(patient.name) for patient in patients)
    there = [record for record in records if record and (record.state == DONE or record.row)]
    other = [record for record in there if record.settings != wanted.settings]
    if other:
        raise OtherSettingsError(wanted.output, len(other))


def _refused(known: Known, wanted: Wanted) -> Record | None:
    """The record of a patient that is not even tried; what it says of earlier results is kept."""
    failure = known.patient.problem
    if failure is None and not wanted.overwrite:
        error = refusal(known, wanted.looks)
        failure = None if error is None else Failure.of(error)
    if failure is None:
        return None
    old = known.record
    if old is None or not old.results:
        return Record(known.patient.name, FAILED, wanted.settings, failure=failure)
    if old.row and old.settings == wanted.settings:
        return replace(old, state=FAILED, failure=failure)
    # the key would pass for settled: it is of an attempt that failed, or of other settings
    return replace(old, state=FAILED, failure=failure, settings=wanted.settings, key="", row={})


def _settled(known: Known, wanted: Wanted) -> Record | None:
    """What is to be said of a patient for whom nothing is left to do; None of all others."""
    old = known.record
    if wanted.overwrite or old is None or old.state == PENDING or not old.key:
        return None
    if known.key != old.key:
        return None
    if old.state == FAILED and not old.row:
        return None if wanted.retry_failed else old
    if not all(is_intact(file, wanted.output) for file in old.results):
        return None
    return replace(old, state=DONE, failure=None, inputs=_where_they_lie(known, old))


def _where_they_lie(known: Known, old: Record) -> tuple[HashedFile, ...]:
    """The inputs that a record names, or the same files in the place that a study was moved to."""
    if {file.path_id for file in old.inputs} == known.hashed.keys():
        return old.inputs
    return tuple(known.hashed.values())


def _pending(known: Known) -> Record:
    """The record of a patient that is to be done; earlier results stay known as ours."""
    old = known.record
    if old is None:
        return Record(known.patient.name, PENDING, known.settings)
    return replace(old, state=PENDING, settings=known.settings, row={}, failure=None)
