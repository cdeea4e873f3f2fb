"""Which prediction belongs to which reference: one folder layout per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from latup_cli.errors import (
    AmbiguousCaseError,
    FileAgainstFolderError,
    NoPairsError,
    SegmentationsNotFoundError,
)
from latup_cli.evaluation.pairs import Pairs, find_pairs
from latup_cli.workflows.evaluate import NAMING


def folder(root: Path, *names: str) -> Path:
    """A folder of empty files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def found(pairs: Pairs, root: Path) -> dict[str, tuple[str, str]]:
    """Case to prediction and reference, relative to a root."""
    return {
        pair.case: (
            pair.prediction.relative_to(root).as_posix(),
            pair.reference.relative_to(root).as_posix(),
        )
        for pair in pairs.pairs
    }


FLAT = ("a/BraTS2021_00000.nii.gz", "a/BraTS2021_00002.nii.gz", "a/dataset.json", "a/._x.nii.gz")
PATIENTS = tuple(
    f"b/BraTS2021_0000{n}/BraTS2021_0000{n}_{kind}.nii.gz"
    for n in (0, 2)
    for kind in ("t1", "t1ce", "t2", "flair", "seg")
)


@pytest.mark.parametrize(
    "names",
    [
        FLAT,
        ("a/BraTS2021_00000_seg.nii.gz", "a/BraTS2021_00002-seg.nii"),
        ("a/BraTS2021_00000_pred.nii.gz", "a/BraTS2021_00002.prediction.nii"),
        ("a/BraTS2021_00000/x_seg.nii.gz", "a/BraTS2021_00002/BraTS2021_00002.nii.gz"),
        (
            "a/BraTS2021_00000/latup/BraTS2021_00000_seg.nii.gz",
            "a/BraTS2021_00000/latup/BraTS2021_00000_probabilities.nii.gz",
            "a/BraTS2021_00002/BraTS2021_00002_seg.nii.gz",
        ),
    ],
)
def test_layouts_of_predictions(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Flat folders, patient folders and our own outputs all meet BraTS patient folders."""
    folder(tmp_path, *names, *PATIENTS)
    pairs = find_pairs(tmp_path / "a", tmp_path / "b", NAMING)
    assert [pair.case for pair in pairs.pairs] == ["BraTS2021_00000", "BraTS2021_00002"]
    assert all(pair.reference.name == f"{pair.case}_seg.nii.gz" for pair in pairs.pairs)
    assert not pairs.without_prediction
    assert not pairs.without_reference


def test_results_beside_the_images(tmp_path: Path) -> None:
    """One data set serves as both: our results inside it, and the experts' masks."""
    folder(tmp_path, *PATIENTS, "b/BraTS2021_00000/latup/BraTS2021_00000_seg.nii.gz")
    pairs = find_pairs(tmp_path / "b", tmp_path / "b", NAMING)
    assert found(pairs, tmp_path / "b") == {
        "BraTS2021_00000": (
            "BraTS2021_00000/latup/BraTS2021_00000_seg.nii.gz",
            "BraTS2021_00000/BraTS2021_00000_seg.nii.gz",
        )
    }
    assert pairs.without_prediction == ("BraTS2021_00002",)


def test_2023_names(tmp_path: Path) -> None:
    """BraTS 2023 names, with hyphens, pair with files named after the case only."""
    folder(tmp_path, "a/BraTS-GLI-00001-000.nii.gz")
    folder(tmp_path, "b/BraTS-GLI-00001-000/BraTS-GLI-00001-000-seg.nii.gz")
    pairs = find_pairs(tmp_path / "a", tmp_path / "b", NAMING)
    assert [pair.case for pair in pairs.pairs] == ["BraTS-GLI-00001-000"]


def test_who_stands_alone_is_listed(tmp_path: Path) -> None:
    """References without a prediction and predictions without a reference are both named."""
    folder(tmp_path, "a/p1.nii.gz", "a/p3.nii.gz", "b/p1_seg.nii.gz", "b/p2_seg.nii.gz")
    pairs = find_pairs(tmp_path / "a", tmp_path / "b", NAMING)
    assert [pair.case for pair in pairs.pairs] == ["p1"]
    assert pairs.without_prediction == ("p2",)
    assert pairs.without_reference == ("p3",)


def test_two_files_need_no_names(tmp_path: Path) -> None:
    """One file against one file is a pair whatever they are called."""
    folder(tmp_path, "mine.nii.gz", "p1_seg.nii")
    pairs = find_pairs(tmp_path / "mine.nii.gz", tmp_path / "p1_seg.nii", NAMING)
    assert [(pair.case, pair.prediction.name) for pair in pairs.pairs] == [("p1", "mine.nii.gz")]


def test_one_patients_folder(tmp_path: Path) -> None:
    """A single patient's results pair with the mask beside the images."""
    images = [f"p1/p1_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair", "seg")]
    folder(tmp_path, *images, "p1/latup/p1_seg.nii.gz")
    for predictions in ("p1/latup", "p1"):
        pairs = find_pairs(tmp_path / predictions, tmp_path / "p1", NAMING)
        assert found(pairs, tmp_path) == {"p1": ("p1/latup/p1_seg.nii.gz", "p1/p1_seg.nii.gz")}
        assert not pairs.without_prediction


def test_private_names_stay_private(tmp_path: Path) -> None:
    """A folder named after a person is a hash in outputs, and still finds its prediction."""
    folder(tmp_path, "a/DOE^JANE/x_seg.nii.gz", "b/DOE^JANE/y_seg.nii.gz")
    (pair,) = find_pairs(tmp_path / "a", tmp_path / "b", NAMING).pairs
    assert "DOE" not in pair.case
    assert "JANE" not in pair.case


def test_the_file_with_the_patients_name_wins(tmp_path: Path) -> None:
    """Of several segmentations in a patient's folder, the one named after the patient counts."""
    folder(tmp_path, "a/p1.nii.gz", "b/p1/p1_seg.nii.gz", "b/p1/first_reader_seg.nii.gz")
    (pair,) = find_pairs(tmp_path / "a", tmp_path / "b", NAMING).pairs
    assert pair.reference.name == "p1_seg.nii.gz"


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (("a/p1.nii.gz", "b/p1/x_seg.nii.gz", "b/p1/y_seg.nii.gz"), AmbiguousCaseError),
        (("a/p1_seg.nii.gz", "a/p1/p1_seg.nii.gz", "b/p1.nii.gz"), AmbiguousCaseError),
        (("a/p1.nii.gz", "b/p2.nii.gz"), NoPairsError),
        (("a/p1.nii.gz", "b/p1/p1_t1.nii.gz"), SegmentationsNotFoundError),
        (("a/p1.nii.gz", "b/notes.txt"), SegmentationsNotFoundError),
        (("a/p1.nii.gz",), SegmentationsNotFoundError),
    ],
)
def test_what_cannot_be_paired(
    tmp_path: Path, names: tuple[str, ...], error: type[Exception]
) -> None:
    """Two candidates, no common case, no segmentation and no folder are each refused."""
    folder(tmp_path, *names)
    with pytest.raises(error):
        find_pairs(tmp_path / "a", tmp_path / "b", NAMING)


def test_a_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """One file has no place among many."""
    folder(tmp_path, "a.nii.gz", "b/p1.nii.gz")
    with pytest.raises(FileAgainstFolderError):
        find_pairs(tmp_path / "a.nii.gz", tmp_path / "b", NAMING)
