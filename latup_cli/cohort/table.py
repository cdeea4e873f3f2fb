"""Patients from a CSV or TSV table with a column per modality."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from latup_cli.cohort.find import Intake
from latup_cli.cohort.names import told_apart
from latup_cli.domain.cohort import Cohort, Failure, Patient
from latup_cli.domain.study import StudyFiles
from latup_cli.errors import LatupError, NoPatientsError, StudyTableError
from latup_cli.labels import MODALITIES

SUFFIXES = (".csv", ".tsv", ".txt")
"""Of files that are taken for tables."""

_PATIENT = frozenset(
    {"patient", "patientid", "subject", "subjectid", "participant", "participantid", "case",
     "caseid", "id", "name", "study"}
)  # fmt: skip
_FOLDER = frozenset({"folder", "directory", "dir", "path"})
_SEPARATORS = ",;\t"
_SIGNS = re.compile(r"[\W_]+")


def read_table(path: Path, intake: Intake) -> Cohort:
    """Read a table of patients; paths in it are relative to the table.

    Columns are known by their headings: a patient or subject, and T1, T1ce, T2 and FLAIR under
    any name that files may have; or one column with each patient's folder or 4-D file.
    Commas, semicolons and tabs separate.

    Raises:
        StudyTableError: If it cannot be read, or a column is missing or there twice.
        NoPatientsError: If it has no rows.
    """
    rows = _rows(path)
    if not rows:
        raise StudyTableError(path, "it is empty")
    columns = _columns(path, rows[0], intake)
    patients = [
        _patient(path.parent, number, dict(zip(columns, row, strict=False)), intake)
        for number, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    if not patients:
        raise NoPatientsError(path)
    return Cohort(path.parent, told_apart(patients, intake.outward))


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyTableError(path, reason or str(error)) from error
    heading = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    try:
        return list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise StudyTableError(path, str(error)) from error


def _columns(path: Path, headings: list[str], intake: Intake) -> list[str]:
    """What each column holds: "patient", "folder", a modality, or "" for what is not used."""
    columns = [_column(heading, intake) for heading in headings]
    twice = {column for column in columns if column and columns.count(column) > 1}
    if twice:
        raise StudyTableError(path, f"there are two columns for {', '.join(sorted(twice))}")
    missing = [modality for modality in MODALITIES if modality not in columns]
    if missing and "folder" not in columns:
        raise StudyTableError(path, f"there is no column for {', '.join(missing)}")
    return columns


def _column(heading: str, intake: Intake) -> str:
    word = _SIGNS.sub("", heading.casefold())
    if word in _PATIENT:
        return "patient"
    if word in _FOLDER:
        return "folder"
    meaning = intake.meaning(heading)
    return meaning if meaning in MODALITIES else ""


def _patient(base: Path, number: int, cells: Mapping[str, str], intake: Intake) -> Patient:
    given = {column: cell.strip() for column, cell in cells.items() if column and cell.strip()}
    named = {m: base / given[m] for m in MODALITIES if m in given}
    source = base / given["folder"] if "folder" in given and not named else None
    files, problem = _find(source, named, intake)
    name = intake.outward(given["patient"], ()) if "patient" in given else _name(files, number)
    place = Path(given.get("t1ce", given.get("folder", f"row {number}"))).as_posix()
    private = files.private if files else frozenset()
    return Patient(name, place, f"row {number}", source, files, problem, private)


def _find(
    source: Path | None, named: Mapping[str, Path], intake: Intake
) -> tuple[StudyFiles | None, Failure | None]:
    try:
        return (intake.find(source) if source else intake.find_named(named)), None
    except LatupError as error:
        return None, Failure.of(error)


def _name(files: StudyFiles | None, number: int) -> str:
    return files.name if files else f"row-{number}"
