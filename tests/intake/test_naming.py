"""What a study is called in outputs: nobody's name, and a file name on every system."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.domain.privacy import discreet_file, private_words, tells_who
from latup_cli.domain.study import StudyFiles
from latup_cli.errors import OutputExistsError, StudyNameError
from latup_cli.intake.naming import (
    MOST_BYTES,
    MOST_CHARACTERS,
    checked_name,
    outward,
    same_on_some_system,
    shown,
    shown_place,
    study_name,
)
from latup_cli.workflows.output import Job, check_output

UNCHANGED = [
    "BraTS2021_00001",
    "BraTS20_Training_001",
    "Brats17_2013_10_1",
    "Brats18_TCIA02_135_1",
    "BraTS-GLI-00001-000",
    "UPENN-GBM-00001_11",
    "UCSF-PDGM-0004",
    "TCGA-02-0006",
    "case 7 (left)",
    "1.5T_patient.007",
    "Jürgen Ångström 患者",
    "a [bold] & 100% 'b'",
    "console",
    "nullable",
    "-rf",
]

HASHED = [
    "DOE^JANE 19610412",
    "DOE^JANE",
    "Doe_19610412",
    "19610412",
    "20240131120000",
    "MRN0012345678",
    "jane 1961-04-12",
    "jane_1961.04.12",
    "12.04.1961 jane",
    "1961:04:12",
    "TCGA-02-0006_1996.08.23",
    "1.2.840.113619.2.55.3.2831868886",
    "DOE^J\udcff",
    "DOE^" + "J" * 400,
]

REPAIRED = {
    "CON": "CON-",
    "nul": "nul-",
    "con.txt": "con-txt-",
    "LPT1": "LPT1-",
    "case.": "case-",
    "case ": "case-",
    " case": "case-",
    "a:b": "a-b-",
    "a?*b": "a-b-",
    "a\\b": "a-b-",
    "a\nb": "a-b-",
    "a\u202eb": "a-b-",
    "...": "study-",
    ".hidden": "hidden-",
    "x" * 250: "x" * 60,
    "患" * 100: "患" * 30,
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_harmless_names_stay(name: str) -> None:
    """A name that tells nothing and is possible everywhere is kept to the letter."""
    assert study_name(Path("/data") / name) == name
    assert checked_name(name) == name


@pytest.mark.parametrize("name", HASHED)
def test_names_that_tell_who_it_is_are_hashed(name: str) -> None:
    """Person names, dates and long numbers give way to the same short hash every time."""
    said = study_name(Path("/data") / name)
    assert said == study_name(Path("/elsewhere") / name)
    assert said.startswith("study-")
    assert len(said) == len("study-") + 8
    assert not tells_who(said)


@pytest.mark.parametrize("name", REPAIRED)
def test_names_that_some_system_refuses_are_repaired(name: str) -> None:
    """What can be kept is kept, a hash tells two of them apart, and `--name` refuses them."""
    said = outward(name)
    assert said.startswith(REPAIRED[name])
    assert said != outward(name + "!")
    assert checked_name(said) == said
    with pytest.raises(StudyNameError) as caught:
        checked_name(name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("sub-01/anat", "sub-01"),
        ("sub-01/ses-2", "sub-01_ses-2"),
        ("sub-01/ses-2/anat", "sub-01_ses-2"),
        ("patients/ses-2", "ses-2"),
        ("anat", "data"),
    ],
)
def test_bids_folders_are_called_by_their_entities(folder: str, name: str) -> None:
    """Subject and session make the name, whichever of their folders was given."""
    assert study_name(Path("/data") / folder) == name


def test_the_root_has_a_name_too() -> None:
    """Even a file system's root gives a name."""
    assert study_name(Path("/")) == "study"


@given(name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300))
@settings(max_examples=200, deadline=None)
def test_every_folder_gives_a_usable_name(name: str) -> None:
    """Whatever a folder is called, its study's name is possible, short and discreet."""
    said = outward(name)
    assert checked_name(said) == said
    assert len(said) <= MOST_CHARACTERS
    assert len(said.encode("utf-8", "surrogatepass")) <= MOST_BYTES
    assert not tells_who(said)


def test_two_spellings_of_one_file_are_one() -> None:
    """Letter case, and accents in one or two characters, make no second file."""
    composed, apart = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    assert composed != apart
    assert same_on_some_system(composed, apart.upper())
    assert not same_on_some_system("case_1", "case_2")
    assert study_name(Path("/data") / composed) == study_name(Path("/data") / apart)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/d/case/case_t1.nii.gz", "case_t1.nii.gz"),
        ("/d/DOE^JANE 19610412/t1.nii.gz", "t1.nii.gz"),
        ("/d/DOE^JANE 19610412/DOE^JANE 19610412_t1.nii.gz", "study-x_t1.nii.gz"),
        ("/d/case/W39_1998.09.19_t1.nii", "t1-*.nii"),
        ("/d/DOE^JANE/ses/doe_jane_t1.nii.gz", "t1-*.nii.gz"),
        ("/d/20190101/jane/t1_20190101.hdr", "t1-*.hdr"),
    ],
)
def test_file_names_tell_nobody(path: str, said: str) -> None:
    """A file is shown by its name unless that, or a folder's above, tells who it is."""
    name = str(shown(Path(path), "study-x", "t1"))
    before, _, after = said.partition("*")
    assert name.startswith(before)
    assert name.endswith(after)
    assert len(name) == len(said) + (7 if "*" in said else 0)
    assert not any(word in name.upper() for word in ("DOE", "JANE", "1961", "1998", "2019"))


def test_places_are_shown_as_typed_unless_they_tell() -> None:
    """A harmless path is repeated; of one that tells, its last name is left, made discreet."""
    assert shown_place(Path("data/case")) == Path("data/case")
    assert shown_place(Path("/a/DOE^JANE/case")) == Path("case")
    assert str(shown_place(Path("/a/DOE^JANE"))).startswith("study-")


def test_private_words_come_from_telling_folders_only() -> None:
    """The words of a folder with a name or date are private; those of others are not."""
    words = private_words(Path("/home/data/DOE^JANE 19610412/brain"))
    assert words == {"doe", "jane", "19610412"}
    assert discreet_file("brain_t1.nii", words) == "brain_t1.nii"
    assert discreet_file("Jane_t1.nii", words, kind="t1").startswith("t1-")


def test_results_that_some_system_takes_for_one_are_not_written(tmp_path: Path) -> None:
    """A mask whose name differs from an earlier one by letter case only needs `--overwrite`."""
    (tmp_path / "Case_seg.nii.gz").write_bytes(b"mine")
    job = Job(StudyFiles("case", {}), tmp_path, tmp_path)
    with pytest.raises(OutputExistsError):
        check_output(job, overwrite=False)
    check_output(job, overwrite=True)
    check_output(replace(job, files=StudyFiles("case 2", {})), overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["Case_seg.nii.gz"]
