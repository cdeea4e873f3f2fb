"""Nobody ever sees half a file: all of it is there under its name, or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from latup_cli.errors import OutputError
from latup_cli.imaging.atomic import replacing, staging, write_text


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def fail_while_replacing(path: Path, error: BaseException) -> None:
    """Write half of a file, then fail."""
    with replacing(path) as beside:
        beside.write_text("aft")
        raise error


def fail_while_staging(folder: Path) -> None:
    """Write one of several files, then fail."""
    with staging(folder) as stage:
        (stage / "seg.nii.gz").write_bytes(b"later")
        raise ValueError("late")


def test_a_text_is_written_as_it_is(tmp_path: Path) -> None:
    """UTF-8 and Unix line ends on every system, folders made on the way."""
    write_text(tmp_path / "new" / "a.txt", "\N{GREEK SMALL LETTER MU}m\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"\xce\xbcm\n"
    assert names(tmp_path / "new") == ["a.txt"]


def test_the_temporary_name_keeps_the_suffixes(tmp_path: Path) -> None:
    """A writer that chooses its format by the name chooses the same one."""
    with replacing(tmp_path / "seg.nii.gz") as beside:
        assert beside.name.endswith(".nii.gz")
        assert beside.parent == tmp_path
        beside.write_bytes(b"x")


@pytest.mark.parametrize("error", [ValueError("late"), KeyboardInterrupt(), MemoryError()])
def test_a_failure_leaves_the_original_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    """After any exception halfway, the earlier file is whole and no other file is there."""
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(type(error)):
        fail_while_replacing(tmp_path / "a.txt", error)
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_the_original_and_says_so(tmp_path: Path) -> None:
    """A write that finds no room is an output error that names the file and the reason."""
    (tmp_path / "a.txt").write_text("before")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"a\.txt cannot be written: No space left"):
        fail_while_replacing(tmp_path / "a.txt", full)
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_parent_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    """No folder can be made below a file; the file stays as it is."""
    (tmp_path / "occupied").write_text("mine")
    with pytest.raises(OutputError):
        write_text(tmp_path / "occupied" / "sub" / "a.txt", "x")
    assert (tmp_path / "occupied").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    """A share that may only be read gives the exit code of outputs."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError) as caught:
            write_text(tmp_path / "a.txt", "x")
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.exit_code == 10
    assert names(tmp_path) == []


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    """Where a folder has the file's name, it is kept and the temporary file goes."""
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_staged_files_arrive_together(tmp_path: Path) -> None:
    """While files are staged the folder does not have them; afterwards it has all of them."""
    out = tmp_path / "out"
    with staging(out) as stage:
        (stage / "seg.nii.gz").write_bytes(b"1")
        (stage / "report.json").write_bytes(b"2")
        assert not (out / "seg.nii.gz").exists()
    assert names(out) == ["report.json", "seg.nii.gz"]


def test_a_failure_while_staging_leaves_no_folder(tmp_path: Path) -> None:
    """A run that fails does not even leave an empty folder behind."""
    with pytest.raises(ValueError, match="late"):
        fail_while_staging(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_failure_while_staging_keeps_earlier_results(tmp_path: Path) -> None:
    """What an earlier run wrote is untouched when a later one fails."""
    (tmp_path / "seg.nii.gz").write_bytes(b"earlier")
    with pytest.raises(ValueError, match="late"):
        fail_while_staging(tmp_path)
    assert (tmp_path / "seg.nii.gz").read_bytes() == b"earlier"
    assert names(tmp_path) == ["seg.nii.gz"]


def test_a_shared_folder_that_another_process_takes_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that cleans up the new folder of both, just made, does not fail this one."""
    make, removed = Path.mkdir, []

    def taken_away(path: Path, *given: object, **options: object) -> None:
        make(path, *given, **options)  # type: ignore[arg-type]
        if path.name == "out" and len(removed) < 3:
            path.rmdir()
            removed.append(path)

    monkeypatch.setattr(Path, "mkdir", taken_away)
    with staging(tmp_path / "out") as stage:
        (stage / "seg.nii.gz").write_bytes(b"1")
    assert names(tmp_path / "out") == ["seg.nii.gz"]
    assert len(removed) == 3


def test_a_place_that_never_is_ends_in_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a folder cannot be made at all, somebody is told at last."""

    def nowhere(path: Path, *_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    monkeypatch.setattr(Path, "mkdir", nowhere)
    with pytest.raises(OutputError, match="No such file"), staging(tmp_path / "out"):
        pass
