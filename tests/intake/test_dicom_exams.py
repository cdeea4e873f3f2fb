"""DICOM folders whose tags were blanked, that hold several exams, or of which a series is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from latup_cli.domain.study import StudyFiles
from latup_cli.errors import AmbiguousModalityError, MissingModalityError, MissingSlicesError
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


# --- a series that is named -----------------------------------------------------------------


def add(place: Path, series: Series, number: int, **tags: Any) -> Path:
    """Write a series under a number of its own."""
    write_series(place, replace(series, number=number, tags={**series.tags, **tags}))
    return place


def test_a_named_series_stands_in_for_a_broken_one(
    folder: Path, made: Mapping[str, Series], tmp_path: Path
) -> None:
    """What is wrong with the folder's T2 does not matter where another is named."""
    next(p for p in folder.glob("S4/*") if int(dcmread(p).InstanceNumber) == 9).unlink()
    whole = add(tmp_path / "whole", made["t2"], 4)
    with pytest.raises(MissingSlicesError):
        find_study(folder)
    files = find_study(folder, named={"t2": whole})
    assert files.modalities["t2"].reason == "series 4: given on the command line"
    assert numbers(files) == USUAL


@pytest.mark.parametrize("agent", ["", "Gadovist"], ids=["in none", "in all"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_named_t1ce_settles_which_is_the_t1(
    agent: str, inside: bool, folder: Path, made: Mapping[str, Series], tmp_path: Path
) -> None:
    """Of two equal T1, the one that is not named as T1ce is the T1, as the hint promised."""
    shutil.rmtree(folder / "S3")
    other = add(folder / "S6", made["t1"], 6)
    edit(folder, ContrastBolusAgent=agent)
    with pytest.raises(AmbiguousModalityError) as caught:
        find_study(folder)
    assert "--t1ce" in caught.value.hint
    named = other if inside else Path(shutil.copytree(other, tmp_path / "copy"))
    assert numbers(find_study(folder, named={"t1ce": named})) == {**USUAL, "t1ce": 6}


def test_a_named_t1_leaves_the_other_with_agent(folder: Path, made: Mapping[str, Series]) -> None:
    """Where the agent is named in both, the one that is not named as T1 is the T1ce."""
    shutil.rmtree(folder / "S3")
    other = add(folder / "S6", made["t1"], 6)
    edit(folder, ContrastBolusAgent="Gadovist")
    assert numbers(find_study(folder, named={"t1": other})) == {**USUAL, "t1": 6, "t1ce": 2}
    edit(folder, ContrastBolusAgent="")
    with pytest.raises(MissingModalityError, match=r"lacks t1ce; found series 2 \(t1\)"):
        find_study(folder, named={"t1": other})


def test_several_t1_beside_a_named_t1ce_ask_for_the_t1(
    folder: Path, made: Mapping[str, Series]
) -> None:
    """What is left to choose is asked for, and choosing it ends the asking."""
    shutil.rmtree(folder / "S3")
    named = {n: add(folder / f"S{n}", made["t1"], n) for n in (6, 7)}
    edit(folder, ContrastBolusAgent="Gadovist")
    with pytest.raises(AmbiguousModalityError, match="t1: series 2, series 6") as caught:
        find_study(folder, named={"t1ce": named[7]})
    assert "--t1 " in caught.value.hint
    files = find_study(folder, named={"t1ce": named[7], "t1": named[6]})
    assert numbers(files) == {**USUAL, "t1ce": 7, "t1": 6}


def test_a_named_series_stands_for_nothing_else(folder: Path) -> None:
    """A T1ce that is named as the T1 is not chosen as T1ce as well."""
    with pytest.raises(MissingModalityError, match="lacks t1ce"):
        find_study(folder, named={"t1": folder / "S3"})
