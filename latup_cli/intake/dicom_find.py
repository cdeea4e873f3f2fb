"""Find a study's four modalities in a DICOM folder, of one patient and one time point."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latup_cli.domain.privacy import discreet_file
from latup_cli.domain.study import FoundFile
from latup_cli.errors import (
    AmbiguousModalityError,
    NoMrSeriesError,
    SeveralDicomPatientsError,
    SeveralTimePointsError,
)
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.intake.dicom_choice import Chosen, choose
from latup_cli.intake.dicom_folder import (
    Candidate,
    candidates,
    private_words,
    read_folder,
    usable_volumes,
)
from latup_cli.intake.dicom_rules import ASIDE
from latup_cli.intake.naming import study_name

_GIVEN = "given on the command line"


@dataclass(frozen=True, slots=True)
class DicomStudy:
    """What a DICOM folder holds.

    Attributes:
        name: What to call it: the folder's name, or a hash where that holds the patient's.
        chosen: The series of each modality that is there.
        private: Words that tell who the patient is, for nobody's eyes.
    """

    name: str
    chosen: Chosen
    private: frozenset[str] = field(repr=False)


def find_dicom(
    folder: Path, name: str | None = None, *, named: Mapping[str, FoundFile] | None = None
) -> DicomStudy | None:
    """Look for the four modalities at any depth; None if the folder holds no DICOM.

    Args:
        folder: Where to look.
        name: What to call the study; by default as its folder.
        named: Modality to what was named for it; none is looked for there.

    Raises:
        SeveralDicomPatientsError: If there are series of several patients.
        SeveralTimePointsError: If there are series of several exams.
        NoMrSeriesError: If none of the DICOM files is an MR image.
        AmbiguousModalityError: If neither tags nor voxels tell T1 from T1ce.
        ImageError: If the slices of the only series of a modality make no volume.
        TooManyFilesError: If the folder holds more than any study does.
    """
    files = read_folder(folder)
    if not files:
        return None
    private = private_words(files)
    study = name or study_name(folder, private)
    found = candidates(files)
    if not any(one.facts.modality == "MR" for one in found):
        raise NoMrSeriesError(study, _counted(found))
    _check_one_patient(study, found)
    _check_one_time(study, folder, found, private)
    return DicomStudy(study, choose(found, named or {}), private)


def named_series(place: Path, modality: str) -> tuple[FoundFile, frozenset[str]] | None:
    """The series in a folder, or the one that a file belongs to; None if it is no DICOM.

    Returns:
        The series, and the words of its tags that tell who the patient is.

    Raises:
        AmbiguousModalityError: If there are several.
        ImageError: If the slices make no volume.
    """
    if place.is_file() and not is_dicom(place):
        return None
    files = read_folder(place if place.is_dir() else place.parent)
    if place.is_file():
        wanted = {f.facts.series_key for f in files if f.path.samefile(place)}
        files = [file for file in files if file.facts.series_key in wanted]
    volumes = usable_volumes(files, Path(f"{modality} (DICOM)"))
    if len(volumes) > 1:
        raise AmbiguousModalityError(modality, tuple(one.label for one in volumes))
    return (volumes[0].found(_GIVEN), private_words(files)) if volumes else None


def tags_of(folder: Path) -> frozenset[str]:
    """Words of all DICOM tags in a folder that tell who the patient is; none without DICOM."""
    return private_words(read_folder(folder))


def _counted(found: Iterable[Candidate]) -> tuple[str, ...]:
    kinds = Counter(one.facts.modality or "unknown" for one in found)
    return tuple(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _check_one_patient(study: str, found: Iterable[Candidate]) -> None:
    """Series without a name or number may be anybody's, and are taken for this patient's."""
    patients = {
        (one.facts.patient_id or one.facts.patient_name).casefold()
        for one in found
        if one.verdict.meaning != ASIDE
    }
    count = len(patients - {""})
    if count > 1:
        raise SeveralDicomPatientsError(study, count)


def _check_one_time(
    study: str, folder: Path, found: Iterable[Candidate], private: frozenset[str]
) -> None:
    """One day is one time point, and where dates were removed, one exam."""
    times: dict[str, list[Candidate]] = {}
    for one in found:
        if one.verdict.meaning != ASIDE:
            times.setdefault(one.facts.date or one.facts.study, []).append(one)
    if len(times) > 1:
        places = tuple(_place(folder, times[time], private) for time in sorted(times))
        raise SeveralTimePointsError(study, places)


def _place(folder: Path, found: Sequence[Candidate], private: frozenset[str]) -> str:
    """Where the series of a time point lie, if they have a folder of their own; how many else."""
    files = [path for one in found for path in one.files]
    common = Path(os.path.commonpath([path.parent for path in files])).relative_to(folder)
    if not common.parts:
        return f"{len(found)} series"
    return "/".join(discreet_file(part, private, kind="folder") for part in common.parts)
