"""DICOM folders whose tags were blanked, that hold several exams, or of which a series is named."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from latup_cli.errors import (
    AmbiguousModalityError,
    MissingModalityError,
    MissingSlicesError,
    SeveralDicomPatientsError,
    SeveralTimePointsError,
)
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from tests.fixtures.dicom import OTHER_EXAM, USUAL, Series, numbers, write_series


def edit(place: Path, **tags: Any) -> None:
    """Change tags of all files at any depth."""
    for path in [path for path in place.rglob("*") if path.is_file()]:
        dataset = dcmread(path)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


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


# --- several exams, or one whose tags were blanked in part ----------------------------------


def later(place: Path, series: Series, number: int, exam: str = OTHER_EXAM) -> Path:
    """Write a series of another exam of the same day."""
    write_series(place, replace(series, number=number, study=exam))
    return place


def test_series_of_two_exams_of_a_day_are_mixed_with_a_warning(
    folder: Path, made: Mapping[str, Series]
) -> None:
    """Where no exam of the day has all four, the four are taken from both, and that is said."""
    shutil.rmtree(folder / "S3")
    later(folder / "S13", made["t1ce"], 13)
    files = find_study(folder)
    assert numbers(files) == {**USUAL, "t1ce": 13}
    warnings = load_study(files).warnings
    assert "The series come from 2 exams (t1, t2, flair; t1ce)" in warnings[0]
    assert OTHER_EXAM not in str(warnings) + repr(files)


def test_one_exam_gives_no_warning(exam: Path) -> None:
    """Four series of one exam are what is expected."""
    assert not any("exam" in warning for warning in load_study(find_study(exam)).warnings)


def test_of_two_exams_of_a_day_the_whole_one_is_taken(
    folder: Path, made: Mapping[str, Series]
) -> None:
    """Images made before and during surgery are not mixed if those before are all four."""
    for number, modality in ((13, "t1ce"), (14, "t2")):
        later(folder / "during" / f"S{number}", made[modality], number)
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert all("of 2 exams of one day" in found.reason for found in files.modalities.values())
    assert not any("exam" in warning for warning in load_study(files).warnings)


def test_two_whole_exams_of_a_day_are_refused(folder: Path, made: Mapping[str, Series]) -> None:
    """Which of two is meant is not guessed; naming a series of one says it."""
    for number, (modality, series) in enumerate(made.items(), start=12):
        later(folder / "during" / modality, series, number)
    with pytest.raises(SeveralTimePointsError, match=r"2 time points: .*\(4 series\).*\(during\)"):
        find_study(folder)
    files = find_study(folder, named={"t1ce": folder / "during" / "t1ce"})
    assert numbers(files) == {"t1": 12, "t1ce": 13, "t2": 14, "flair": 15}


def test_two_exams_with_equal_t1_are_refused(folder: Path, made: Mapping[str, Series]) -> None:
    """An exam whose T1 and T1ce cannot be told apart has all four as well."""
    for number, modality in ((12, "t1"), (13, "t1"), (14, "t2"), (15, "flair")):
        later(folder / "during" / f"S{number}", made[modality], number)
    with pytest.raises(SeveralTimePointsError, match="2 time points"):
        find_study(folder)


def test_an_exam_of_broken_series_is_not_whole(folder: Path, made: Mapping[str, Series]) -> None:
    """A gap in one T2 is made up for by the T2 of the day's other exam, with a warning."""
    next(p for p in folder.glob("S4/*") if int(dcmread(p).InstanceNumber) == 9).unlink()
    later(folder / "S14", made["t2"], 14)
    files = find_study(folder)
    assert numbers(files) == {**USUAL, "t2": 14}
    assert "2 exams" in load_study(files).warnings[0]


def test_a_named_series_of_another_exam_gives_a_warning(
    exam: Path, made: Mapping[str, Series], tmp_path: Path
) -> None:
    """What was named wins, and that it is of another exam is said."""
    other = later(tmp_path / "other", made["t2"], 14)
    files = find_study(exam, named={"t2": other})
    assert numbers(files) == {**USUAL, "t2": 14}
    assert "2 exams" in load_study(files).warnings[0]


@pytest.mark.parametrize(
    "blanked",
    [
        {"StudyDate": ""},
        {"StudyDate": "", "StudyInstanceUID": ""},
        {"PatientID": ""},
        {"PatientID": "", "PatientName": "DOE^JANE^^"},
        {"PatientID": "", "PatientName": ""},
    ],
    ids=["date", "date and exam", "number", "number, name otherwise", "number and name"],
)
def test_a_series_with_blanked_tags_is_of_the_same_exam(
    blanked: Mapping[str, str], folder: Path
) -> None:
    """A date is that of the exam, a number that of the name, and what is blank contradicts none."""
    edit(folder / "S4", **blanked)
    assert numbers(find_study(folder)) == USUAL


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ({"PatientID": "", "PatientName": "Roe^Richard"}, SeveralDicomPatientsError),
        ({"PatientID": "MRN-4712"}, SeveralDicomPatientsError),
        ({"StudyDate": "20020503"}, SeveralTimePointsError),
        ({"StudyDate": "", "StudyInstanceUID": OTHER_EXAM}, SeveralTimePointsError),
    ],
    ids=["another name", "another number", "another date", "another exam"],
)
def test_a_series_with_other_tags_is_not(
    tags: Mapping[str, str], error: type[Exception], folder: Path
) -> None:
    """A name, number, date or exam that is another one is refused."""
    edit(folder / "S4", **tags)
    with pytest.raises(error):
        find_study(folder)


# --- words about contrast agent -------------------------------------------------------------


def test_a_protocol_of_the_whole_exam_does_not_hide_the_t1(folder: Path) -> None:
    """Where every series is under a protocol with contrast, the T1 is the one without agent."""
    edit(folder, ProtocolName="BRAIN WITH CONTRAST")
    assert numbers(find_study(folder)) == USUAL
    for number in (2, 3):
        edit(folder / f"S{number}", SeriesDescription="Ax T1")
    assert numbers(find_study(folder)) == USUAL


def test_a_t1ce_without_fat_saturation_is_no_t1(folder: Path, made: Mapping[str, Series]) -> None:
    """A later, better series after agent does not take the place of the T1."""
    edit(folder / "S2", SeriesDescription="Ax T1")
    edit(folder / "S3", SeriesDescription="Ax T1 FS POST")
    add(folder / "S9", made["t1ce"], 9, SeriesDescription="Ax T1 POST NON FS")
    assert numbers(find_study(folder)) == {**USUAL, "t1ce": 9}
