"""Reports name no folder, no share and no person's account."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from latup_cli.domain.study import Study
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import (
    AmbiguousModalityError,
    ChannelsUnknownError,
    ConstantImageError,
    FlatImageError,
    GridMismatchError,
    ImageNotFoundError,
    LabelMapGivenError,
    LatupError,
    MissingModalityError,
    NonFiniteVoxelsError,
    NoOrientationError,
    NotOneFileError,
    OneImageError,
    OtherFormatError,
    SameImageError,
    SeveralFilesError,
    SeveralPatientsError,
    SeveralVolumesError,
    ShearedImageError,
    SkullPresentError,
    TooSmallImageError,
    UnreachableError,
    UnreadableImageError,
)
from latup_cli.imaging import nifti
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.labels import MODALITIES, SCHEMES
from latup_cli.preprocess.prepare import as_aligned
from latup_cli.reporting.build import build_report
from latup_cli.reporting.files import as_json, csv_rows
from latup_cli.reporting.privacy import Redaction
from tests.conftest import AFFINE, WriteImages
from tests.fixtures.phantoms import save, voxels
from tests.reporting.conftest import Parts

REDACTION = Redaction(Path("/data/clinic/DOE^JOHN 1950"), "study-1a2b")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/data/clinic/DOE^JOHN 1950/t1.nii is odd.", "t1.nii is odd."),
        ("Read '/data/clinic/DOE^JOHN 1950'.", "Read 'study-1a2b'."),
        ("/opt/cuda/lib64/libcudnn.so.9: missing", "libcudnn.so.9: missing"),
        ('cannot open "/home/jdoe/a.nii"', 'cannot open "a.nii"'),
        ("open:/home/jdoe/a.nii", "open:a.nii"),
        (r"C:\Users\jdoe\cudnn.dll is missing", "cudnn.dll is missing"),
        (r"\\pacs01\export\a.nii is odd", "a.nii is odd"),
        ("in /secret.nii", "in secret.nii"),
        ("file DOE^JOHN 1950_t1.nii", "file study-1a2b_t1.nii"),
    ],
)
def test_places_and_people_are_left_out(said: str, kept: str) -> None:
    """Folders go, file names stay, and the study's name stands for the folder's."""
    assert REDACTION.text(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "T1 / T2 are swapped and/or flipped.",
        "0.9 x 0.9 x 5.5 mm at 12 mL/min",
        "See https://example.org/a/b.html",
        "name contains 'flair'",
        "t1/scan.nii.gz lies in a subfolder",
    ],
)
def test_other_text_is_left_alone(said: str) -> None:
    """Slashes that are no absolute path stay."""
    assert REDACTION.text(said) == said


def test_home_with_spaces_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account's name goes even where a pattern would stop at its space."""
    monkeypatch.setenv("HOME", "/home/Jane Roe")
    monkeypatch.setenv("USERPROFILE", "/home/Jane Roe")
    assert "Jane" not in REDACTION.text("/home/Jane Roe/x/model.onnx is missing")


def test_paths_are_relative_to_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the study the subfolders stay; from elsewhere, only the file's name."""
    redaction = Redaction(tmp_path / "case", "case")
    assert redaction.path(tmp_path / "case" / "anat" / "t1.nii") == "anat/t1.nii"
    assert redaction.path(tmp_path / "other" / "t1.nii") == "t1.nii"
    monkeypatch.chdir(tmp_path)
    assert Redaction(Path("case"), "case").path(Path("case/t1.nii")) == "t1.nii"


def test_the_folders_name_gives_way_in_paths() -> None:
    """A file that carries the patient's name as its folder does is shown under the study's."""
    path = REDACTION.folder / "DOE^JOHN 1950_t1.nii.gz"
    assert REDACTION.path(path) == "study-1a2b_t1.nii.gz"


def test_names_inside_a_path_become_hashes() -> None:
    """A folder or file below the study's folder that tells who it is does not come out."""
    redaction = Redaction(Path("/data/archive"), "archive")
    said = redaction.path(Path("/data/archive/DOE^JANE 19610412/jane t1.nii.gz"))
    folder, _, name = said.partition("/")
    assert folder.startswith("study-")
    assert name.startswith("file-")
    assert name.endswith(".nii.gz")
    assert redaction.path(Path("/data/archive/anat/t1.nii.gz")) == "anat/t1.nii.gz"


# --- a folder that is called like a patient -----------------------------------------------

PATIENT = "DOE^JANE 19610412"
NAMES = {modality: f"{PATIENT}_{modality}.nii.gz" for modality in MODALITIES}
FLAIR = NAMES["flair"]


@pytest.fixture
def patient(tmp_path: Path, write_images: WriteImages) -> Path:
    """A good study of a patient whom folder and files name."""
    return write_images(tmp_path / "clinic" / PATIENT, NAMES)


def assert_discreet(text: str) -> None:
    """Neither part of the name nor the date is in it."""
    words = re.findall(r"[a-z]+|[0-9]+", text.casefold())
    assert {"doe", "jane", "19610412"} & set(words) == set()
    assert "DOE" not in text
    assert "JANE" not in text.upper()
    assert "1961" not in text


def test_a_patient_s_name_is_in_no_report(patient: Path, parts: Parts) -> None:
    """Not in the study's name, its warnings, the JSON report or the CSV report."""
    path = patient / FLAIR
    save(path, np.asarray(voxels(path)) - np.float32(7), AFFINE)
    study = load_study(find_study(patient))
    assert_discreet(study.files.name)
    assert_discreet(" ".join(study.warnings))
    assert any("background" in warning for warning in study.warnings)
    _, prepared, segmentation, spec, run = parts
    report = build_report(study, prepared, segmentation, spec, replace(run, folder=patient))
    assert_discreet(json.dumps(as_json(report)))
    assert_discreet(str(csv_rows(report)))
    assert [file.path for file in report.inputs] == [
        f"{study.files.name}_{modality}.nii.gz" for modality in MODALITIES
    ]


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / FLAIR).write_bytes(content)


def _image(
    change: Callable[[np.ndarray], np.ndarray], moved: np.ndarray = AFFINE
) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        save(folder / FLAIR, change(np.asarray(voxels(folder / FLAIR))), moved)

    return spoil


def _nowhere(folder: Path) -> None:
    data = np.asarray(voxels(folder / FLAIR))
    image = nib.Nifti1Image(data, None)
    image.set_sform(None, code=0)
    nib.save(image, folder / FLAIR)


def _one_voxel(data: np.ndarray) -> np.ndarray:
    spoiled = data.copy()
    spoiled[9, 9, 9] = np.nan
    return spoiled


def _only(*files: str) -> Callable[[Path], object]:
    """Leave nothing but 4-D files of these names."""

    def spoil(folder: Path) -> None:
        stack = np.stack([np.asarray(voxels(folder / name)) for name in NAMES.values()], -1)
        shutil.rmtree(folder)
        folder.mkdir()
        for name in files:
            save(folder / name, stack, AFFINE)

    return spoil


def _patients(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "all" / PATIENT)
    shutil.rmtree(folder)
    (folder.parent / "all").rename(folder)


def _head(folder: Path) -> None:
    noise = np.random.default_rng(1).rayleigh(5, (36, 34, 38)).astype(np.float32)
    for name in NAMES.values():
        save(folder / name, np.asarray(voxels(folder / name)) + noise, 2 * AFFINE)


SHEAR = AFFINE @ np.array([[1, 0, 0, 0], [0, 1, 0.2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
SHIFT = AFFINE + np.array([[0, 0, 0, 5], [0] * 4, [0] * 4, [0] * 4])
T2 = NAMES["t2"]

REFUSALS: Mapping[type[LatupError], Callable[[Path], object]] = {
    MissingModalityError: lambda folder: (folder / FLAIR).unlink(),
    AmbiguousModalityError: lambda folder: shutil.copy(
        folder / FLAIR, folder / f"x{PATIENT} fla.nii"
    ),
    OtherFormatError: lambda folder: (folder / FLAIR).rename(folder / f"{PATIENT}_flair.nrrd"),
    SameImageError: lambda folder: shutil.copy(folder / FLAIR, folder / T2),
    UnreadableImageError: _write(b"DOE^JANE 19610412" * 99),
    SeveralPatientsError: _patients,
    SeveralFilesError: _only(f"{PATIENT} a.nii", f"{PATIENT} b.nii"),
    ChannelsUnknownError: _only(f"{PATIENT}.nii"),
    SeveralVolumesError: _image(lambda d: np.stack([d, d], -1)),
    NonFiniteVoxelsError: _image(_one_voxel),
    ConstantImageError: _image(np.zeros_like),
    LabelMapGivenError: _image(lambda d: (d > 300).astype(np.uint8)),
    TooSmallImageError: _image(lambda d: d[..., :11]),
    ShearedImageError: _image(lambda d: d, SHEAR),
    FlatImageError: _image(lambda d: d, AFFINE * 1e-4),
    NoOrientationError: _nowhere,
    GridMismatchError: _image(lambda d: d, SHIFT),
    SkullPresentError: _head,
}


@contextmanager
def discreet_refusal(error: type[LatupError]) -> Iterator[None]:
    """What is raised says nothing about the patient: message, hint, facts, nor traceback."""
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error
    assert_discreet(str(caught.value))
    assert_discreet(caught.value.hint)
    assert_discreet(str(caught.value.args))
    assert_discreet("".join(traceback.format_exception_only(caught.value)))
    assert_discreet(str(caught.value.__cause__ or ""))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("error", REFUSALS)
def test_a_patient_s_name_is_in_no_refusal(error: type[LatupError], patient: Path) -> None:
    """However the study is refused, neither folder nor file names come out."""
    REFUSALS[error](patient)
    with discreet_refusal(error):
        as_aligned(load_study(find_study(patient)))


def test_a_patient_s_name_is_in_no_refusal_of_a_place(
    patient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for a file given for the folder, a missing file, or a folder that may not be read."""
    with discreet_refusal(OneImageError):
        find_study(patient / FLAIR)
    with discreet_refusal(ImageNotFoundError):
        find_study(patient, named={"t1": patient / "nothing.nii"})
    with discreet_refusal(NotOneFileError):
        find_study(patient, channels="flair,t1,t1ce,t2")

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with discreet_refusal(UnreachableError):
        find_study(patient)


# --- headers that carry names ---------------------------------------------------------------


def _with_names(folder: Path) -> Study:
    """A study in whose headers the patient is named in every field that holds text."""
    for path in folder.iterdir():
        image = nib.load(path)
        header = image.header
        header["descrip"], header["aux_file"] = b"DOE^JANE 19610412", b"JANE.dcm"
        header["db_name"], header["intent_name"] = b"DOE 19610412", b"JANE"
        for code in (4, 6):
            extension = nib.nifti1.Nifti1Extension(code, b"DOE^JANE 19610412")
            header.extensions.append(extension)
        nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, header), path)
        assert b"DOE^JANE 19610412" in gzip.decompress(path.read_bytes())
    return load_study(find_study(folder))


def test_header_texts_do_not_travel(tmp_path: Path, write_images: WriteImages) -> None:
    """Description, database, auxiliary file and extensions of the inputs are in no output."""
    names = {modality: f"p_{modality}.nii.gz" for modality in MODALITIES}
    study = _with_names(write_images(tmp_path / "case", names))
    mask, image = tmp_path / "mask.nii", tmp_path / "image.nii"
    labels = LabelMap(np.zeros(study.grid.shape, dtype=np.uint8), study.grid, SCHEMES["brats2021"])
    nifti.write_labels(mask, labels, study.codes)
    nifti.write_volume(image, study.images["t1"].data, study.grid, study.codes)
    for path in (mask, image):
        assert_discreet(path.read_bytes()[:2000].decode("latin-1"))
