"""Folders as they come: links, hidden files, no right to read, no right to write."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from latup_cli.domain.study import StudyFiles
from latup_cli.errors import (
    InputError,
    MissingModalityError,
    SameImageError,
    StudyNotFoundError,
    UnreachableError,
    UnreadableImageError,
)
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.labels import MODALITIES

WriteImages = Callable[[Path, Mapping[str, str]], Path]

NAMES = {modality: f"p_{modality}.nii.gz" for modality in MODALITIES}


@pytest.fixture
def folder(tmp_path: Path, write_images: WriteImages) -> Path:
    """A good study."""
    return write_images(tmp_path / "study", NAMES)


def names(files: StudyFiles) -> list[str]:
    """The files that were taken."""
    return [found.path.name for found in files.modalities.values()]


def forbid(monkeypatch: pytest.MonkeyPatch, method: str, place: Path) -> None:
    """Let the system refuse one thing for one place, as it never does for root."""
    allowed = getattr(Path, method)

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path == place:
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(path, *arguments, **options)

    monkeypatch.setattr(Path, method, refuse)


@pytest.mark.parametrize("method", ["iterdir", "is_dir", "is_file"])
def test_a_folder_that_may_not_be_read_is_told(
    method: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing right is an input error that says so."""
    forbid(monkeypatch, method, folder)
    with pytest.raises(UnreachableError, match="cannot be opened: permission denied") as caught:
        find_study(folder)
    assert caught.value.exit_code == 3
    assert "right" in caught.value.hint


def test_a_file_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named, without its folders."""
    forbid(monkeypatch, "open", folder / NAMES["t2"])
    with pytest.raises(UnreadableImageError) as caught:
        load_study(find_study(folder))
    assert str(caught.value) == "p_t2.nii.gz cannot be read: permission denied."


def test_a_named_file_out_of_reach_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a file in a folder that may not be entered."""
    forbid(monkeypatch, "is_file", folder / NAMES["t1"])
    named = {modality: folder / NAMES[modality] for modality in MODALITIES}
    with pytest.raises(UnreachableError):
        study_from_files(named)


def test_a_patient_s_folder_that_may_not_be_read_is_passed_over(
    tmp_path: Path, write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several patients' folders, the readable ones are named."""
    for patient in ("A", "B", "C"):
        write_images(tmp_path / "all" / patient, NAMES)
    forbid(monkeypatch, "iterdir", tmp_path / "all" / "B")
    with pytest.raises(InputError, match=r"2 folders with images: A, C\."):
        find_study(tmp_path / "all")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_an_impossible_path_is_not_found(name: str, tmp_path: Path) -> None:
    """A path that no system can have is an input error like any other."""
    with pytest.raises((StudyNotFoundError, UnreachableError)) as caught:
        find_study(tmp_path / name)
    assert caught.value.exit_code == 3


def test_a_read_only_folder_is_enough(folder: Path) -> None:
    """Finding and reading need no right to write, and leave no trace, not even a time stamp."""
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in (*folder.iterdir(), folder)}
    try:
        load_study(find_study(folder))
        assert before == {path: path.stat().st_mtime_ns for path in (*folder.iterdir(), folder)}
    finally:
        folder.chmod(0o755)


def test_links_are_followed(tmp_path: Path, folder: Path) -> None:
    """A folder of links is a study called by the links' names; a linked folder by its own."""
    links = tmp_path / "links"
    links.mkdir()
    for number, modality in enumerate(MODALITIES):
        target = folder / NAMES[modality]
        stored = target.rename(folder / f"{number}.blob")
        (links / f"q_{modality}.nii.gz").symlink_to(stored)
    files = find_study(links)
    assert names(files) == [f"q_{modality}.nii.gz" for modality in MODALITIES]
    assert tuple(load_study(files).images) == MODALITIES
    (tmp_path / "other").symlink_to(links)
    assert find_study(tmp_path / "other").name == "links"


def test_a_link_to_nowhere_is_named(folder: Path) -> None:
    """An image whose content was never fetched is said to be missing by its name."""
    target = folder / NAMES["t2"]
    target.rename(folder / "moved")
    target.symlink_to("objects/t2")
    with pytest.raises(UnreadableImageError) as caught:
        load_study(find_study(folder))
    assert str(caught.value).startswith("p_t2.nii.gz cannot be read: its link leads to no file")


def test_a_link_in_a_circle_is_an_input_error(folder: Path) -> None:
    """A link to itself ends in an error of ours."""
    target = folder / NAMES["t2"]
    target.unlink()
    target.symlink_to(target.name)
    with pytest.raises(UnreadableImageError, match=r"p_t2.nii.gz"):
        load_study(find_study(folder))


def test_two_links_to_one_file_are_one_image(folder: Path) -> None:
    """The same content under two names does not pass for two modalities."""
    target = folder / NAMES["t2"]
    target.unlink()
    target.symlink_to(NAMES["t1"])
    with pytest.raises(SameImageError):
        find_study(folder)


def test_hidden_files_and_folders_are_no_images(folder: Path) -> None:
    """What macOS and other programs leave behind, and folders named like files, are passed over."""
    (folder / "._p_t1.nii.gz").write_bytes(b"\0\5\x16\7" + bytes(60))
    (folder / ".p_flair.nii.gz").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "p_T1.nii").mkdir()
    assert names(find_study(folder)) == list(NAMES.values())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_image(folder: Path) -> None:
    """What would wait for another program is passed over, and the modality is missing."""
    (folder / NAMES["t2"]).unlink()
    os.mkfifo(folder / NAMES["t2"])
    with pytest.raises(MissingModalityError, match="lacks t2"):
        find_study(folder)


@pytest.mark.parametrize("modality", MODALITIES)
def test_three_modalities_are_told_which_is_missing(modality: str, folder: Path) -> None:
    """The message names what lacks and what was found, the hint what can be done."""
    (folder / NAMES[modality]).unlink()
    with pytest.raises(MissingModalityError) as caught:
        find_study(folder)
    others = [m for m in MODALITIES if m != modality]
    found = ", ".join(f"{m} ({NAMES[m]})" for m in others)
    assert str(caught.value) == f"study lacks {modality}; found {found}."
    assert caught.value.hint == (
        f"All four modalities are needed. Add the file, or name it: --{modality} FILE."
    )
