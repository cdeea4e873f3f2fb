"""What a result depends on, and what it does not."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.cohort import hashing
from latup_cli.cohort.hashing import (
    content_key,
    hash_inputs,
    is_intact,
    settings_identity,
    stamp,
    unchanged,
)
from latup_cli.config import Device, InferenceSettings, SegmentSettings
from latup_cli.domain.cohort import HashedFile
from latup_cli.domain.study import FoundFile, StudyFiles
from latup_cli.labels import MODALITIES

AN_HOUR_NS = 3_600_000_000_000


def files(folder: Path) -> StudyFiles:
    """Four files with a byte of their own each, written an hour ago."""
    found = {}
    for number, modality in enumerate(MODALITIES):
        path = folder / f"{modality}.nii"
        path.write_bytes(bytes([number]) * 9)
        aged(path)
        found[modality] = FoundFile(path, "a test")
    return StudyFiles("P", found)


def aged(path: Path, *, by_ns: int = AN_HOUR_NS) -> None:
    """Say that a file was last written some time ago."""
    os.utime(path, ns=(time.time_ns() - by_ns,) * 2)


def key(study: StudyFiles, known: dict[str, HashedFile] | None = None) -> str:
    """The content key under some settings."""
    return content_key("settings", study, hash_inputs(study, (known or {}).values()))


def test_a_changed_byte_changes_the_key(tmp_path: Path) -> None:
    """Another byte in any file is other content; a copy elsewhere under other names is not."""
    before = key(files(tmp_path))
    (tmp_path / "copy").mkdir()
    assert key(files(tmp_path / "copy")) == before
    (tmp_path / "t2.nii").write_bytes(b"another")
    study = StudyFiles("P", {m: FoundFile(tmp_path / f"{m}.nii", "") for m in MODALITIES})
    assert key(study) != before


def test_exchanged_modalities_change_the_key(tmp_path: Path) -> None:
    """The same four files in other roles are other content."""
    study = files(tmp_path)
    found = dict(study.modalities)
    found["t1"], found["t2"] = found["t2"], found["t1"]
    assert key(replace(study, modalities=found)) != key(study)


def test_unchanged_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with size, time and inode of the ledger is taken at its word."""
    study = files(tmp_path)
    known = hash_inputs(study)
    read: list[Path] = []
    monkeypatch.setattr(hashing, "file_sha256", lambda path: read.append(path) or "x")
    assert hash_inputs(study, known.values()) == known
    assert read == []
    aged(tmp_path / "t1.nii", by_ns=2 * AN_HOUR_NS)
    hash_inputs(study, known.values())
    assert read == [tmp_path / "t1.nii"]


def test_a_file_written_just_now_is_read_again(tmp_path: Path) -> None:
    """A write within the clock's step after hashing leaves no trace but the bytes, and is seen."""
    study = files(tmp_path)
    path = tmp_path / "flair.nii"
    path.write_bytes(b"first")
    known = hash_inputs(study)
    times = path.stat().st_mtime_ns
    path.write_bytes(b"other")
    os.utime(path, ns=(times, times))
    assert key(study, known) != content_key("settings", study, known)


def test_a_missing_input_is_a_state_of_its_own(tmp_path: Path) -> None:
    """A patient with a file that is gone has one key, and another as soon as it is there again."""
    study = files(tmp_path)
    before = key(study)
    (tmp_path / "t1.nii").unlink()
    gone = key(study)
    assert gone == key(study, hash_inputs(study)) != before
    files(tmp_path)
    assert key(study, hash_inputs(study)) == before


def test_a_change_meanwhile_is_seen(tmp_path: Path) -> None:
    """Inputs are compared after the work with what they were before it."""
    study = files(tmp_path)
    hashed = hash_inputs(study)
    assert unchanged(study, hashed)
    (tmp_path / "t1.nii").write_bytes(b"new")
    assert not unchanged(study, hashed)


def test_what_counts_among_settings() -> None:
    """Labels, views, windows and files count; where it runs, and whether it replaces, do not."""
    base = settings_identity(("sha",), SegmentSettings())
    where = InferenceSettings(device=Device("cuda", 1), engine="onnxruntime", threads=3)
    assert settings_identity(("sha",), SegmentSettings(inference=where, overwrite=True)) == base
    assert settings_identity(("sha",), SegmentSettings(weights=Path("same"))) == base
    others = [
        SegmentSettings(labels="brats2023"),
        SegmentSettings(preview=True),
        SegmentSettings(tta=True),
        SegmentSettings(low_memory=True),
        SegmentSettings(tta=True, low_memory=True),
    ]
    identities = {settings_identity(("sha",), other) for other in others}
    assert len(identities - {base}) == len(others)
    assert settings_identity(("other",), SegmentSettings()) != base


def test_a_result_is_intact_or_not(tmp_path: Path) -> None:
    """A mask of another size, or with a time and bytes of its own, is not the one written."""
    mask = tmp_path / "mask"
    mask.write_bytes(b"mask")
    written = stamp(mask, tmp_path, with_hash=True)
    aged(mask)
    assert is_intact(written, tmp_path)
    mask.write_bytes(b"mosk")
    aged(mask)
    assert not is_intact(written, tmp_path)
    mask.write_bytes(b"mas")
    assert not is_intact(written, tmp_path)
    mask.unlink()
    assert not is_intact(written, tmp_path)


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), min_size=2, max_size=2, unique=True))
def test_two_models_have_two_identities(facts: list[str]) -> None:
    """Whatever tells two models apart tells their results apart."""
    one, other = facts
    assert settings_identity((one,), SegmentSettings()) != settings_identity(
        (other,), SegmentSettings()
    )
