"""Find a study's four modalities in a DICOM folder, of one patient and one time point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from latup_cli.domain.study import FoundFile
from latup_cli.errors import AmbiguousModalityError, NoMrSeriesError
from latup_cli.imaging.dicom import read_file
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.intake.dicom_choice import Chosen
from latup_cli.intake.dicom_exams import check_one_patient, check_one_time, choose_of_one_exam
from latup_cli.intake.dicom_folder import (
    Candidate,
    candidates,
    private_words,
    read_folder,
    usable_volumes,
)
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
    check_one_patient(study, found)
    check_one_time(study, folder, found, private)
    chosen = choose_of_one_exam(study, folder, found, named or {}, private)
    return DicomStudy(study, chosen, private)


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
    one = read_file(place) if place.is_file() else None
    if one is not None:
        files = [file for file in files if file.facts.series_key == one.facts.series_key]
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
