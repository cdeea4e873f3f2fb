"""Whether a DICOM folder's series are of one patient and one time point, and of which exam."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from latup_cli.domain.privacy import discreet_file
from latup_cli.domain.study import FoundFile
from latup_cli.errors import (
    AmbiguousModalityError,
    ImageError,
    SeveralDicomPatientsError,
    SeveralTimePointsError,
)
from latup_cli.imaging.dicom import Facts
from latup_cli.intake.dicom_choice import Chosen, choose
from latup_cli.intake.dicom_folder import Candidate
from latup_cli.intake.dicom_rules import ASIDE
from latup_cli.labels import MODALITIES

_SEPARATORS = re.compile(r"[\W_]+")
_WHOLE = "; of {count} exams of one day, that with all four was taken"


def check_one_patient(study: str, found: Iterable[Candidate]) -> None:
    """Refuse series of several patients; one without number is told by its name.

    Series without either may be anybody's, and are taken for this patient's.

    Raises:
        SeveralDicomPatientsError: If there are several numbers, or a name that has none.
    """
    facts = [one.facts for one in found if one.verdict.meaning != ASIDE]
    numbers = {one.patient_id.casefold() for one in facts} - {""}
    known = {_name(one) for one in facts if one.patient_id}
    others = {_name(one) for one in facts if not one.patient_id} - known - {""}
    count = len(numbers) + len(others)
    if count > 1:
        raise SeveralDicomPatientsError(study, count)


def _name(facts: Facts) -> str:
    return _SEPARATORS.sub(" ", facts.patient_name.casefold()).strip()


def check_one_time(
    study: str, folder: Path, found: Sequence[Candidate], private: frozenset[str]
) -> None:
    """Refuse series of several days, or where dates were removed, of several exams.

    Series that give neither may be of any, and are taken for this one's.

    Raises:
        SeveralTimePointsError: If there are several.
    """
    days = {one.facts.study: one.facts.date for one in found if one.facts.date}
    times: dict[str, list[Candidate]] = {}
    for one in found:
        if one.verdict.meaning != ASIDE:
            exam = one.facts.study
            known = days.get(exam, exam) if exam else ""
            times.setdefault(one.facts.date or known, []).append(one)
    times.pop("", None)
    _refuse_several(study, folder, times, private)


def choose_of_one_exam(
    study: str,
    folder: Path,
    found: Sequence[Candidate],
    named: Mapping[str, FoundFile],
    private: frozenset[str],
) -> Chosen:
    """Choose from the one exam of a day that has all four, or from all where none has.

    Before and during surgery may be one day. Of several exams that have all four, that of a
    series that was named is meant.

    Raises:
        SeveralTimePointsError: If several exams have all four.
        AmbiguousModalityError: If neither tags nor voxels tell T1 from T1ce.
        ImageError: If the slices of the only series of a modality make no volume.
    """
    exams = {one.facts.study for one in found if one.verdict.meaning != ASIDE} - {""}
    if len(exams) <= 1:
        return choose(found, named)
    members = {e: [one for one in found if one.facts.study in {e, ""}] for e in sorted(exams)}
    whole = {exam: series for exam, series in members.items() if _is_whole(series, named)}
    meant = whole.keys() & {file.exam for file in named.values()}
    if len(meant) == 1:
        whole = {exam: whole[exam] for exam in meant}
    _refuse_several(study, folder, whole, private)
    if not whole:
        return choose(found, named)
    chosen = choose(next(iter(whole.values())), named)
    why = _WHOLE.format(count=len(exams))
    files = {m: replace(one, reason=one.reason + why) for m, one in chosen.modalities.items()}
    return replace(chosen, modalities=files)


def _is_whole(series: Sequence[Candidate], named: Mapping[str, FoundFile]) -> bool:
    """Whether an exam has all four but for those that were named."""
    try:
        has = {*choose(series, named).modalities}
    except AmbiguousModalityError:  # it has a T1 and a T1ce, whichever is which
        has = {"t1", "t1ce", *(one.verdict.meaning for one in series)}
    except ImageError:
        return False
    return {*MODALITIES} <= has | named.keys()


def _refuse_several(
    study: str,
    folder: Path,
    times: Mapping[str, Sequence[Candidate]],
    private: frozenset[str],
) -> None:
    if len(times) > 1:
        places = tuple(_place(folder, times[time], private) for time in sorted(times))
        raise SeveralTimePointsError(study, places)


def _place(folder: Path, found: Sequence[Candidate], private: frozenset[str]) -> str:
    """Where the series of a time point lie, if they have a folder of their own; how many else."""
    structural = [one for one in found if one.verdict.meaning != ASIDE]
    files = [path for one in structural for path in one.files]
    common = Path(os.path.commonpath([path.parent for path in files])).relative_to(folder)
    if not common.parts:
        return f"{len(structural)} series"
    return "/".join(discreet_file(part, private, kind="folder") for part in common.parts)
