"""Everybody in a study is found, nobody twice, and of every folder it is said why."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latup_cli.cohort import find as module
from latup_cli.cohort.hashing import hash_inputs
from latup_cli.domain.cohort import Cohort
from latup_cli.errors import NoPatientsError, StudyNotFoundError, StudyTableError
from latup_cli.workflows.batch_intake import cohort_json, find_cohort, reasons
from tests.fixtures.dicom import study_series, write_series
from tests.fixtures.phantoms import save

MODALITIES = ("t1", "t1ce", "t2", "flair")
BRATS = {m: f"BraTS20_001_{m}.nii.gz" for m in MODALITIES} | {"seg": "BraTS20_001_seg.nii.gz"}
BIDS = {
    "t1": "sub-01_T1w.nii.gz",
    "t1ce": "sub-01_ce-gadolinium_T1w.nii.gz",
    "t2": "sub-01_T2w.nii.gz",
    "flair": "sub-01_FLAIR.nii.gz",
}


def empty(folder: Path, *names: str) -> Path:
    """Files without content, for what is decided by names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or BRATS.values():
        (folder / name).touch()
    return folder


def ready(cohort: Cohort) -> dict[str, str]:
    """Name to place of those that can be segmented."""
    return {p.name: p.place for p in cohort.patients if p.problem is None}


def problems(cohort: Cohort) -> dict[str, str]:
    """Name to error of those that cannot."""
    return {p.name: p.problem.error for p in cohort.patients if p.problem is not None}


def passed(cohort: Cohort) -> dict[str, str]:
    """Place to why nobody is there."""
    return {folder.place: folder.reason for folder in cohort.passed_over}


# --- folders ------------------------------------------------------------------------------


def test_patients_at_any_depth(tmp_path: Path) -> None:
    """Folders with four modalities are found wherever they are, in the order of their places."""
    for place in ("b/deep/er/P3", "P1", "a/P2"):
        empty(tmp_path / place)
    cohort = find_cohort(tmp_path)
    assert ready(cohort) == {"P1": "P1", "P2": "a/P2", "P3": "b/deep/er/P3"}
    assert list(ready(cohort)) == ["P1", "P2", "P3"]


def test_a_study_of_one(tmp_path: Path) -> None:
    """The folder itself may be the patient."""
    empty(tmp_path / "P")
    assert ready(find_cohort(tmp_path / "P")) == {"P": "."}


def test_bids_subjects_and_sessions(tmp_path: Path) -> None:
    """Every session is a patient; other data types and derivatives are passed over, and told."""
    for place in ("sub-01/ses-1/anat", "sub-01/ses-2/anat", "sub-02/anat"):
        empty(tmp_path / place, *BIDS.values())
    empty(tmp_path / "sub-01/ses-1/dwi", "sub-01_dwi.nii.gz")
    empty(tmp_path / "derivatives/sub-01/anat", *BIDS.values())
    cohort = find_cohort(tmp_path)
    assert set(ready(cohort)) == {"sub-01_ses-1", "sub-01_ses-2", "sub-02"}
    assert problems(cohort) == {}
    assert passed(cohort)["sub-01/ses-1/dwi"] == "another data type of BIDS"
    assert "BIDS" in passed(cohort)["derivatives"]


def test_an_incomplete_patient_says_what_is_missing(tmp_path: Path) -> None:
    """A folder with some modalities is a patient with a problem, not nobody."""
    empty(tmp_path / "P1")
    empty(tmp_path / "P2", BRATS["t1"], BRATS["t2"])
    (patient,) = (p for p in find_cohort(tmp_path).patients if p.problem)
    assert patient.problem is not None
    assert patient.problem.exit_code == 3
    assert "t1ce, flair" in patient.problem.message
    assert patient.problem.hint in reasons(patient)


def test_other_formats_are_a_problem_that_is_told(tmp_path: Path) -> None:
    """A folder of NRRD images is a patient with the line that converts them."""
    empty(tmp_path / "P1")
    empty(tmp_path / "P2", *(f"x_{m}.nrrd" for m in MODALITIES))
    assert problems(find_cohort(tmp_path)) == {"P2": "OtherFormatError"}


def test_files_of_four_volumes_are_a_patient_each(tmp_path: Path) -> None:
    """A folder of 4-D files, as of the Decathlon, holds as many patients."""
    affine = np.diag([1.0, 1, 1, 1])
    data = np.arange(4 * 4 * 4 * 4, dtype=np.float32).reshape(4, 4, 4, 4)
    for number in (1, 2):
        (tmp_path / "imagesTr").mkdir(exist_ok=True)
        save(tmp_path / "imagesTr" / f"BRATS_{number:03}.nii.gz", data, affine)
    assert problems(find_cohort(tmp_path)) == dict.fromkeys(
        ("BRATS_001", "BRATS_002"), "ChannelsUnknownError"
    )
    found = ready(find_cohort(tmp_path, "flair,t1,t1ce,t2"))
    assert found == {
        "BRATS_001": "imagesTr/BRATS_001.nii.gz",
        "BRATS_002": "imagesTr/BRATS_002.nii.gz",
    }


def test_what_is_no_patient_is_passed_over(tmp_path: Path) -> None:
    """Empty folders, folders of segmentations and hidden ones are no patients."""
    empty(tmp_path / "P1")
    empty(tmp_path / ".hidden" / "P2")
    empty(tmp_path / "expert", "P1_seg.nii.gz", "P2_seg.nii.gz")
    (tmp_path / "nothing").mkdir()
    empty(tmp_path / "notes", "readme.txt")
    cohort = find_cohort(tmp_path)
    assert list(ready(cohort)) == ["P1"]
    assert passed(cohort) == {
        "expert": "only segmentations, masks or results",
        "nothing": "no images",
        "notes": "no images",
    }


def test_parts_of_a_patient_are_no_patients(tmp_path: Path) -> None:
    """What is incomplete inside a complete patient's folder is passed over with its reason."""
    empty(tmp_path / "P1")
    empty(tmp_path / "P1" / "original", BRATS["t1"])
    cohort = find_cohort(tmp_path)
    assert problems(cohort) == {}
    assert passed(cohort)["P1/original"].startswith("inside a patient's folder; ")


def test_dicom_exports_are_a_patient_per_exam(tmp_path: Path) -> None:
    """Series folders of one exam are one patient, each image with all of its files to hash."""
    for number, place in enumerate(("P1/2020", "P2/2021", "P2/2022"), start=1):
        for name, series in study_series().items():
            exam = replace(series, study=f"{series.study}.{number}")
            write_series(tmp_path / place / name, exam)
    cohort = find_cohort(tmp_path)
    assert problems(cohort) == {}
    assert ready(cohort) == {"2020": "P1/2020", "2021": "P2/2021", "2022": "P2/2022"}
    for patient in cohort.patients:
        assert patient.files is not None
        hashed = hash_inputs(patient.files)
        assert len(hashed) == sum(1 for path in (tmp_path / patient.place).rglob("*.dcm"))
        assert all(file.sha256 for file in hashed.values())


def write_exam(folder: Path, number: int) -> None:
    """A DICOM exam of its own, a folder for each series."""
    for name, series in study_series().items():
        write_series(folder / name, replace(series, study=f"{series.study}.{number}"))


@pytest.mark.parametrize("given", [4, 3])
def test_dicom_below_a_patient_s_images_is_no_patient(given: int, tmp_path: Path) -> None:
    """The exam that images were made of is not done twice, whether it is used or left alone."""
    empty(tmp_path / "P1", *(BRATS[m] for m in MODALITIES[:given]))
    write_exam(tmp_path / "P1" / "DICOM", 1)
    write_exam(tmp_path / "P2", 2)
    cohort = find_cohort(tmp_path)
    assert ready(cohort) == {"P1": "P1", "P2": "P2"}
    assert problems(cohort) == {}
    assert passed(cohort)["P1/DICOM"].startswith("DICOM below a patient's images")
    (patient,) = (p for p in cohort.patients if p.name == "P1")
    assert patient.files is not None
    assert all(bool(f.series) is (given < 4) for f in patient.files.modalities.values())


def test_series_spread_below_a_patient_s_images_are_no_patient(tmp_path: Path) -> None:
    """Nor is an exam whose nearest common folder is the patient's own."""
    empty(tmp_path / "P1", *(BRATS[m] for m in MODALITIES))
    write_exam(tmp_path / "P1", 1)
    write_exam(tmp_path / "P1" / "2021", 2)
    cohort = find_cohort(tmp_path)
    assert ready(cohort) == {"P1": "P1", "2021": "P1/2021"}


def test_several_exams_below_a_patient_s_images_stay(tmp_path: Path) -> None:
    """Images that lie above folders of several exams do not hide these."""
    empty(tmp_path / "study", *(BRATS[m] for m in MODALITIES))
    for number in (1, 2):
        write_exam(tmp_path / "study" / f"P{number}", number)
    assert ready(find_cohort(tmp_path)) == {"study": "study", "P1": "study/P1", "P2": "study/P2"}


# --- our own results ----------------------------------------------------------------------


def report(folder: Path, *inputs: str) -> None:
    """A report of ours that names these files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = ", ".join(f'{{"path": "{name}"}}' for name in inputs)
    text = f'{{"schema_version": 1, "inputs": [{paths}]}}'
    (folder / "X_report.json").write_text(text, encoding="utf-8")


def test_images_that_lie_about_hide_no_exam(tmp_path: Path) -> None:
    """Four images at the top of a study own nothing of what lies in its folders."""
    empty(tmp_path)
    write_exam(tmp_path / "OTHER" / "exam1", 1)
    assert {patient.place for patient in find_cohort(tmp_path).patients} == {".", "OTHER/exam1"}


def test_our_results_are_never_inputs(tmp_path: Path) -> None:
    """A folder with our report or ledger is passed over, whatever images we kept in it."""
    empty(tmp_path / "P1")
    empty(tmp_path / "P1" / "latup")
    report(tmp_path / "P1" / "latup", "elsewhere_t1.nii.gz")
    empty(tmp_path / "run" / "P1")
    (tmp_path / "run" / "batch-run").mkdir()
    cohort = find_cohort(tmp_path)
    assert ready(cohort) == {"P1": "P1"}
    assert passed(cohort) == {
        "P1/latup": "results of latup segment",
        "run": "results of latup batch",
    }


def test_results_beside_the_images_do_not_hide_them(tmp_path: Path) -> None:
    """Whoever wrote results into the patient's own folder still has the patient."""
    empty(tmp_path / "P1")
    report(tmp_path / "P1", *(BRATS[m] for m in MODALITIES))
    assert ready(find_cohort(tmp_path)) == {"P1": "P1"}


def test_somebody_else_s_report_hides_nothing(tmp_path: Path) -> None:
    """Only a report of our form makes a folder ours."""
    empty(tmp_path / "P1")
    (tmp_path / "P1" / "radiology_report.json").write_text('{"schema_version": 2}')
    (tmp_path / "P1" / "broken_report.json").write_text("{")
    assert ready(find_cohort(tmp_path)) == {"P1": "P1"}


# --- links and rights ---------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_are_followed_once(tmp_path: Path) -> None:
    """Loops end, and a folder that is there twice is one patient under its own name."""
    empty(tmp_path / "outside" / "P2")
    empty(tmp_path / "study" / "P1")
    (tmp_path / "study" / "P1" / "up").symlink_to("..")
    (tmp_path / "study" / "0-first").symlink_to("P1")
    (tmp_path / "study" / "linked").symlink_to(tmp_path / "outside")
    cohort = find_cohort(tmp_path / "study")
    assert set(ready(cohort).values()) == {"P1", "linked/P2"}
    said = "a link to a folder that was searched already"
    assert passed(cohort) == {"0-first": said, "P1/up": said}


def test_a_folder_that_cannot_be_opened_may_be_a_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system hides is a patient with a problem, and the rest is found."""
    empty(tmp_path / "P1")
    empty(tmp_path / "P2")
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "P2":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(module.os, "scandir", refuse)
    cohort = find_cohort(tmp_path)
    assert ready(cohort) == {"P1": "P1"}
    assert problems(cohort) == {"P2": "UnreachableError"}


def test_nobody_and_nowhere(tmp_path: Path) -> None:
    """A study without patients, and one that is not there, end with exit code 3."""
    with pytest.raises(NoPatientsError):
        find_cohort(tmp_path)
    with pytest.raises(StudyNotFoundError):
        find_cohort(tmp_path / "nowhere")


def test_places_are_discreet(tmp_path: Path) -> None:
    """What is listed holds no names of people."""
    empty(tmp_path / "DOE^JANE" / "19610412")
    empty(tmp_path / "ROE^JIM", BRATS["t1"])
    cohort = find_cohort(tmp_path)
    said = str(cohort_json(cohort, cohort.patients))
    assert not any(word in said for word in ("DOE", "JANE", "ROE", "JIM", "19610412"))


def dicom_exam(folder: Path, person: str, *, lacking: str = "") -> None:
    """Series of one person, each in a folder of its own."""
    for name, series in study_series().items():
        if name != lacking:
            tags = {**series.tags, "PatientName": person, "PatientID": person}
            write_series(folder / name, replace(series, tags=tags, study=f"1.2.{len(person)}"))


def test_names_in_dicom_tags_are_in_no_place(tmp_path: Path) -> None:
    """Folders called as the DICOM patient stay unsaid: exams of one name, failed ones, others."""
    dicom_exam(tmp_path / "DOE_JANE" / "MR1", "Doe^Jane")
    dicom_exam(tmp_path / "ROE_JIM" / "MR1", "Roe^Jim")
    dicom_exam(tmp_path / "POE_JILL", "Poe^Jill^Ann", lacking="flair")
    empty(tmp_path / "ROE_JIM" / "MR1" / "masks", BRATS["seg"])
    cohort = find_cohort(tmp_path)
    assert list(problems(cohort).values()) == ["MissingModalityError"]
    assert len({patient.name for patient in cohort.patients}) == 3
    said = f"{cohort_json(cohort, cohort.patients)} {passed(cohort)}".upper()
    assert not any(word in said for word in ("DOE", "JANE", "ROE", "JIM", "POE", "JILL"))


# --- tables -------------------------------------------------------------------------------


def table(path: Path, *lines: str) -> Path:
    """Write a table."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("heading", "separator"),
    [
        ("patient,t1,t1ce,t2,flair", ","),
        ("participant_id\tT1w\tT1Gd\tT2w\tFLAIR", "\t"),
        ("\ufeffSubject ID;t1n;t1c;t2w;t2f;age", ";"),
    ],
)
def test_a_table_names_the_files(heading: str, separator: str, tmp_path: Path) -> None:
    """Headings are known under the names that files have; paths count from the table."""
    empty(tmp_path / "data")
    names = [f"data/{BRATS[m]}" for m in MODALITIES]
    path = table(tmp_path / "study.csv", heading, separator.join(["A-7", *names, "63"]), "")
    (patient,) = find_cohort(path).patients
    assert (patient.name, patient.problem, patient.shown) == ("A-7", None, "row 2")
    assert patient.files is not None
    found = {m: file.path.name for m, file in patient.files.modalities.items()}
    assert found == {m: BRATS[m] for m in MODALITIES}


def test_rows_have_problems_of_their_own(tmp_path: Path) -> None:
    """A missing file or an empty cell is that row's problem."""
    empty(tmp_path)
    whole = ",".join(BRATS[m] for m in MODALITIES)
    path = table(
        tmp_path / "s.csv",
        "case,t1,t1ce,t2,flair",
        f"A,{whole}",
        f"B,{whole.replace(BRATS['t2'], 'gone.nii.gz')}",
        f"C,{whole.replace(BRATS['flair'], '')}",
    )
    cohort = find_cohort(path)
    assert list(ready(cohort)) == ["A"]
    assert problems(cohort) == {"B": "ImageNotFoundError", "C": "MissingModalityError"}


def test_a_table_of_folders(tmp_path: Path) -> None:
    """One column with each patient's folder does as well; without names, the folders' count."""
    empty(tmp_path / "x" / "P1")
    path = table(tmp_path / "s.tsv", "folder", "x/P1", "x/P2")
    cohort = find_cohort(path)
    assert list(ready(cohort)) == ["P1"]
    assert set(problems(cohort).values()) == {"StudyNotFoundError"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "it is empty"),
        (["patient,t1,t2"], "no column for t1ce, flair"),
        (["patient,t1,t1n,t1ce,t2,flair"], "two columns for t1"),
        (["patient,t1,t1ce,t2,flair", 'A,"b'], "unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_used(lines: list[str], said: str, tmp_path: Path) -> None:
    """What is wrong with a table is told, with exit code 3."""
    with pytest.raises(StudyTableError, match=said) as raised:
        find_cohort(table(tmp_path / "s.csv", *lines))
    assert raised.value.exit_code == 3


def test_a_table_without_rows_or_text(tmp_path: Path) -> None:
    """A heading alone is nobody; bytes that are no text are no table."""
    with pytest.raises(NoPatientsError):
        find_cohort(table(tmp_path / "s.csv", "patient,t1,t1ce,t2,flair"))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyTableError, match="UTF-8"):
        find_cohort(tmp_path / "b.csv")
