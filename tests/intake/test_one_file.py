"""Four modalities in one 4-D file, as the Medical Segmentation Decathlon has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from latup_cli.cli.app import app
from latup_cli.errors import (
    ChannelOrderError,
    ChannelsUnknownError,
    InputError,
    LatupError,
    NotOneFileError,
    OneImageError,
    SameImageError,
    SeveralFilesError,
    UnreadableImageError,
)
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.intake.one_file import channel_order
from latup_cli.labels import MODALITIES
from tests.conftest import AFFINE
from tests.fixtures.phantoms import save

Arrays = Mapping[str, npt.NDArray[np.float32]]

MSD = ("flair", "t1", "t1ce", "t2")
MODALITY = {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}}
CHANNEL_NAMES = {"channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"}}


@pytest.fixture
def file(tmp_path: Path, brain_arrays: Arrays) -> Path:
    """A patient of Task01, without its dataset.json."""
    path = tmp_path / "Task01_BrainTumour" / "imagesTr" / "BRATS_001.nii.gz"
    path.parent.mkdir(parents=True)
    return save(path, np.stack([brain_arrays[m] for m in MSD], axis=-1), AFFINE)


def describe(file: Path, content: object) -> None:
    """Put a dataset.json above the file."""
    (file.parents[1] / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_stated_order_is_taken(file: Path, brain_arrays: Arrays) -> None:
    """Each modality is the volume that was stated, and the reason says so."""
    files = find_study(file, channels="flair,t1,t1ce,t2")
    assert files.name == "BRATS_001"
    assert files.modalities["t1"].reason == "volume 2 of 4 (--channels)"
    assert [files.modalities[m].volume for m in MODALITIES] == [1, 2, 3, 0]
    study = load_study(files)
    for modality in MODALITIES:
        np.testing.assert_array_equal(study.images[modality].data, brain_arrays[modality])
    np.testing.assert_allclose(study.grid.ras_from_voxel, AFFINE)


def test_the_order_decides(file: Path, brain_arrays: Arrays) -> None:
    """Another order gives other modalities: nothing is taken for granted."""
    study = load_study(find_study(file, channels="t2,t1ce,t1,flair"))
    np.testing.assert_array_equal(study.images["t2"].data, brain_arrays["flair"])


@pytest.mark.parametrize(
    ("content", "t1"), [(MODALITY, 1), (CHANNEL_NAMES, 0)], ids=["Decathlon", "nnU-Net"]
)
def test_a_description_above_the_file_is_taken(content: object, t1: int, file: Path) -> None:
    """A dataset.json that names the modalities states their order."""
    describe(file, content)
    for place in (file, file.parent):
        files = find_study(place)
        assert files.modalities["t1"].volume == t1
        assert files.modalities["t1"].reason == f"volume {t1 + 1} of 4 (dataset.json)"
    assert find_study(file, channels="t2,t1ce,t1,flair").modalities["t1"].volume == 2


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"modality": "MRI"},
        {"modality": {"0": "MRI"}},
        {"modality": {"0": "FLAIR", "1": "T1w", "2": "T1w", "3": "T2w"}},
        {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "4": "T2w"}},
        {"modality": {"0": 1, "1": 2, "2": 3, "3": 4}},
    ],
)
def test_without_a_stated_order_it_is_refused(content: object, file: Path) -> None:
    """A missing or useless description is no order; the hint shows the option."""
    if content is not None:
        describe(file, content)
    for place in (file, file.parent):
        with pytest.raises(ChannelsUnknownError, match=r"BRATS_001\.nii\.gz holds four") as caught:
            find_study(place)
        assert caught.value.exit_code == 3
        assert "--channels flair,t1,t1ce,t2" in caught.value.hint


def test_a_damaged_description_is_none(file: Path) -> None:
    """What is no JSON, or JSON without end, is passed over."""
    for content in (b"{", b"\xff\xfe", b"[" * 200_000):
        (file.parents[1] / "dataset.json").write_bytes(content)
        with pytest.raises(ChannelsUnknownError):
            find_study(file)


@pytest.mark.parametrize(
    "text", ["", "flair,t1,t1ce", "flair,t1,t1ce,t1ce", "a,b,c,d", "flair,t1,t1ce,t2,t2", "seg"]
)
def test_an_order_names_all_four_once(text: str, file: Path) -> None:
    """Anything else is a usage error that shows how it is meant."""
    with pytest.raises(ChannelOrderError) as caught:
        find_study(file, channels=text)
    assert caught.value.exit_code == 2
    assert "--channels flair,t1,t1ce,t2" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["flair,t1,t1ce,t2", "FLAIR, T1w, T1gd, T2w", "t2f,t1n,t1c,t2w", "fla,t1,ct1,t2"]
)
def test_orders_may_use_any_naming(text: str) -> None:
    """The words for a modality are those that file names may use."""
    assert channel_order(text) == MSD


def test_a_segmentation_beside_it_is_found(file: Path, brain_arrays: Arrays) -> None:
    """In a folder with a 4-D file and its labels, the labels are the segmentation."""
    labels = save(file.parent / "seg.nii.gz", (brain_arrays["t1"] > 450).astype(np.uint8), AFFINE)
    files = find_study(file.parent, channels="flair,t1,t1ce,t2")
    assert files.segmentation is not None
    assert files.segmentation.path == labels
    assert files.modalities["t1"].path == file


def _three(file: Path, arrays: Arrays) -> Path:
    return save(file, np.stack([arrays[m] for m in MSD[:3]], axis=-1), AFFINE)


def _single(file: Path, arrays: Arrays) -> Path:
    return save(file, arrays["t1"], AFFINE)


def _text(file: Path, _arrays: Arrays) -> Path:
    file.write_text("patient")
    return file


def _twins(file: Path, arrays: Arrays) -> Path:
    return save(file, np.stack([arrays[m] for m in ("t1", "t1", "t2", "flair")], -1), AFFINE)


def _hole(file: Path, arrays: Arrays) -> Path:
    stack = np.stack([arrays[m] for m in MSD], axis=-1)
    stack[..., 3] = 0
    return save(file, stack, AFFINE)


def _several(file: Path, _arrays: Arrays) -> Path:
    file.with_name("BRATS_002.nii.gz").write_bytes(file.read_bytes())
    return file.parent


def _four_files(file: Path, arrays: Arrays) -> Path:
    file.unlink()
    for modality in MODALITIES:
        save(file.with_name(f"p_{modality}.nii"), arrays[modality], AFFINE)
    return file.parent


@pytest.mark.parametrize(
    ("spoil", "error", "said", "hint"),
    [
        (_three, OneImageError, "BRATS_001.nii.gz holds 3 volumes", "--t1 FILE"),
        (_single, OneImageError, "BRATS_001.nii.gz holds one image", "--t1 FILE"),
        (_text, UnreadableImageError, "BRATS_001.nii.gz cannot be read", "again"),
        (_twins, SameImageError, "(t1) and BRATS_001.nii.gz (flair)", "own image"),
        (_hole, InputError, "BRATS_001.nii.gz (t2) is 0 everywhere", "again"),
        (_several, SeveralFilesError, "imagesTr holds 2 files of four", "one patient's file"),
        (_four_files, NotOneFileError, "imagesTr is not one file of four", "--channels"),
    ],
)
def test_other_files_are_refused(
    spoil: object, error: type[LatupError], said: str, hint: str, file: Path, brain_arrays: Arrays
) -> None:
    """One image, three, none, twice the same, or several patients: each is told apart."""
    assert callable(spoil)
    place = spoil(file, brain_arrays)
    with pytest.raises(error) as caught:
        load_study(find_study(place, channels="flair,t1,t1ce,t2"))
    assert caught.value.exit_code == 3
    assert said in str(caught.value)
    assert hint in caught.value.hint


def test_an_order_has_no_use_beside_named_files(file: Path, brain_arrays: Arrays) -> None:
    """Four named files, or one beside a 4-D file, contradict `--channels`."""
    folder = _four_files(file, brain_arrays)
    named = {modality: folder / f"p_{modality}.nii" for modality in MODALITIES}
    with pytest.raises(NotOneFileError):
        study_from_files(named, "case", channels="flair,t1,t1ce,t2")
    with pytest.raises(OneImageError):
        find_study(folder / "p_t1.nii", named={"t2": folder / "p_t2.nii"})


@pytest.mark.parametrize(("typed", "code"), [("flair,t1", 2), (None, 3)])
def test_the_command_takes_the_order(typed: str | None, code: int, file: Path) -> None:
    """`latup segment FILE --channels` hands the order on, and shows the option without it."""
    options = [] if typed is None else ["--channels", typed]
    result = CliRunner().invoke(app, ["segment", str(file), *options])
    assert result.exit_code == code
    assert "--channels flair,t1,t1ce,t2" in result.stderr
    assert [path.name for path in file.parent.iterdir()] == [file.name]
