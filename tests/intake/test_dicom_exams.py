"""DICOM folders whose tags were blanked, that hold several exams, or of which a series is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from latup_cli.domain.study import StudyFiles
from latup_cli.intake.find import find_study
from tests.fixtures.dicom import Series, study_series, write_series

USUAL = {"t1": 2, "t1ce": 3, "t2": 4, "flair": 5}


@pytest.fixture(scope="session")
def made() -> Mapping[str, Series]:
    """The four series of a good exam, numbers 2 to 5."""
    return study_series()


@pytest.fixture(scope="session")
def exam(made: Mapping[str, Series], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good exam on disk, a folder per series; not to be changed."""
    folder = tmp_path_factory.mktemp("exams") / "case"
    for series in made.values():
        write_series(folder / f"S{series.number}", series)
    return folder


@pytest.fixture
def folder(exam: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(exam, tmp_path / "case")
    return tmp_path / "case"


def edit(place: Path, **tags: Any) -> None:
    """Change tags of all files at any depth."""
    for path in [path for path in place.rglob("*") if path.is_file()]:
        dataset = dcmread(path)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


def numbers(files: StudyFiles) -> dict[str, int]:
    """Modality to the number of its series."""
    found = files.modalities
    return {m: int(re.findall(r"series (\d+)", found[m].reason)[0]) for m in found}


# --- blanked identifiers --------------------------------------------------------------------


@pytest.mark.parametrize("blanked", [["SOP"], ["Series"], ["SOP", "Series"]])
@pytest.mark.parametrize("value", ["", " "])
def test_blanked_identifiers(blanked: list[str], value: str, folder: Path) -> None:
    """Without identifiers, files are told by their paths and series by what is left."""
    edit(folder, **{f"{one}InstanceUID": value for one in blanked})
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert [len(found.series) for found in files.modalities.values()] == [16] * 4


def test_one_identifier_for_all_files(folder: Path) -> None:
    """Where every file got the same identifier, slices at other places are still others."""
    edit(folder, SOPInstanceUID="1.2.3")
    assert [len(found.series) for found in find_study(folder).modalities.values()] == [16] * 4


def test_a_slice_without_identifiers_names_its_series(folder: Path) -> None:
    """Of a folder without identifiers, one file stands for its series and not for all."""
    edit(folder, SeriesInstanceUID="")
    for path in sorted(folder.rglob("*.dcm")):
        path.rename(folder / f"{path.parent.name}{path.name}")
    named = find_study(folder, named={"t2": next(folder.glob("S4*.dcm"))})
    assert len(named.modalities["t2"].series) == 16
