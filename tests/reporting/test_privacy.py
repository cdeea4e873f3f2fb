"""Reports name no folder, no share and no person's account."""

from __future__ import annotations

from pathlib import Path

import pytest

from latup_cli.reporting.privacy import Redaction

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
