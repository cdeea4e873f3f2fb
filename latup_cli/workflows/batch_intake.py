"""Hand the rules of intake to the search for patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from latup_cli.cohort.find import Intake, Look, find_patients
from latup_cli.cohort.table import SUFFIXES, read_table
from latup_cli.domain.cohort import Cohort, Patient
from latup_cli.domain.privacy import discreet_file
from latup_cli.domain.study import FoundFile
from latup_cli.errors import TooManyFilesError
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.intake.dicom_places import holds_dicom
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.folder import image_stem, images, in_another_format
from latup_cli.intake.naming import outward, shown, study_name
from latup_cli.intake.one_file import files_of_four
from latup_cli.intake.rules import DERIVED, SEGMENTATION, recognize
from latup_cli.labels import MODALITIES

_MOST_TRIED = 8
"""Files of a folder without images that are tried for DICOM."""


def find_cohort(study: Path, channels: str | None = None) -> Cohort:
    """Find everybody in a folder, or in a CSV or TSV table.

    Args:
        study: The folder or table.
        channels: Order of the volumes in 4-D files; None if nothing or a `dataset.json` says.

    Raises:
        StudyNotFoundError: If there is no such folder or file.
        StudyTableError: If the table cannot be read.
        NoPatientsError: If nobody is there.
    """
    intake = Intake(
        look=look,
        find=partial(find_study, channels=channels),
        find_named=study_from_files,
        meaning=_meaning,
        name=_name,
        private=_private,
        outward=outward,
    )
    if study.is_file() and study.suffix.casefold() in SUFFIXES:
        return read_table(study, intake)
    return find_patients(study, intake)


def look(folder: Path) -> Look:
    """What lies in a folder, by the names of its files.

    Raises:
        OSError: If it cannot be opened.
    """
    found = [_meaning(image_stem(path) or "") for path in images(folder)]
    aside = sum(meaning in (SEGMENTATION, DERIVED) for meaning in found)
    pictures = len(found) - aside
    pictures += sum(in_another_format(folder, modality) is not None for modality in MODALITIES)
    several: list[Path] = []
    if pictures > 1 and not any(meaning in MODALITIES for meaning in found):
        several = files_of_four(folder)
    exams = frozenset() if pictures else _dicom_exams(folder)
    return Look(pictures, aside, tuple(several) if len(several) > 1 else (), exams)


def reasons(patient: Patient) -> tuple[str, ...]:
    """Why each file was taken for what it is, or what is missing and what to do."""
    if patient.problem is not None:
        return (patient.problem.message, patient.problem.hint)
    if patient.files is None:
        return ()
    return tuple(
        f"{modality}: {_shown(found, patient, modality)} ({found.reason})"
        for modality, found in patient.files.modalities.items()
    )


def cohort_json(cohort: Cohort, patients: Sequence[Patient]) -> dict[str, object]:
    """Who was found, as JSON's types."""
    return {
        "patients": [
            {
                "patient": patient.name,
                "place": patient.shown,
                "ready": patient.problem is None,
                "why": list(reasons(patient)),
                "exit_code": patient.problem.exit_code if patient.problem else 0,
            }
            for patient in patients
        ],
        "passed_over": [
            {"place": folder.place, "reason": folder.reason} for folder in cohort.passed_over
        ],
    }


def _dicom_exams(folder: Path) -> frozenset[str]:
    """The exam that the first DICOM file of a folder belongs to; nothing if there is none."""
    files = (p for p in sorted(folder.iterdir()) if not p.name.startswith(".") and p.is_file())
    for path, _ in zip(files, range(_MOST_TRIED), strict=False):
        if is_dicom(path):
            from latup_cli.imaging.dicom import read_file  # loads a library that few need

            found = read_file(path)
            if found is not None:
                return frozenset({found.facts.study or found.facts.series})
    return frozenset()


def _shown(found: FoundFile, patient: Patient, modality: str) -> str:
    """The file's name as people may see it."""
    name = shown(found.path, patient.name, modality).name
    return discreet_file(name, patient.private, kind=modality)


def _meaning(words: str) -> str | None:
    recognized = recognize(words)
    return None if recognized is None else recognized.meaning


def _name(place: Path, private: Iterable[str]) -> str:
    """What a study that could not be found is called: by its folder, or its 4-D file."""
    stem = image_stem(place)
    if stem is not None and place.is_file():
        return outward(stem, private)
    return study_name(place, private)


def _private(place: Path) -> frozenset[str]:
    """Words of a folder's DICOM tags that tell who the patient is; a file has none."""
    try:
        if not place.is_dir() or not holds_dicom(place):
            return frozenset()
        from latup_cli.intake.dicom_find import tags_of  # loads a library that few need

        return tags_of(place)
    except TooManyFilesError:  # which is why it is no study, too
        return frozenset()
