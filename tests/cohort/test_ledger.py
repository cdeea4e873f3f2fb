"""A ledger that is cut anywhere loses at most the line that was being written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.cohort import ledger as module
from latup_cli.cohort.ledger import FOLDER, LedgerWriter, Run, ledger_files, read_ledger
from latup_cli.domain.cohort import (
    DONE,
    FAILED,
    PENDING,
    Failure,
    HashedFile,
    Record,
    WrittenFile,
)
from latup_cli.errors import OutputError

RUN = Run("1.0", "2026-11-23T10:00:00Z", "settings", ("A", "B"), 2, 1)
RECORDS = (
    Record("A", PENDING, "settings"),
    Record("B", PENDING, "settings"),
    Record(
        "A",
        DONE,
        "settings",
        "key",
        (HashedFile("id", 1, 2, 3, 4, "sha"),),
        (WrittenFile("A/A_seg.nii.gz", 5, 6, "sha"),),
        {"WT_ml": 1.5, "warnings": ["näh"]},
    ),
    Record("B", FAILED, "settings", failure=Failure("InputError", 3, "no", "hint")),
)


def write(output: Path) -> Path:
    """A ledger with all of the records; its file."""
    with LedgerWriter(output, RUN) as writer:
        for record in RECORDS:
            writer.append(record)
    return ledger_files(output)[-1]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Runs and records come back as they were; the last word about a patient counts."""
    write(tmp_path)
    ledger = read_ledger(tmp_path)
    assert ledger.runs == (RUN,)
    assert ledger.records == {"A": RECORDS[2], "B": RECORDS[3]}
    assert ledger.changed_ns > 0


def test_no_ledger_is_an_empty_one(tmp_path: Path) -> None:
    """A folder where nothing ran has no records."""
    assert read_ledger(tmp_path).records == {}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_cut_loses_one_line_at_most(data: st.DataObject) -> None:
    """However many bytes a crash has left, every whole line counts and the rest does no harm."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder))
        content = path.read_bytes()
        kept = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:kept])
        whole = content[:kept].count(b"\n")
        expected: dict[str, Record] = {}
        for record in RECORDS[: max(0, whole - 1)]:
            expected[record.name] = record
        found = dict(read_ledger(Path(folder)).records)
        if kept < len(content) and content[kept : kept + 1] == b"\n":
            whole_line = RECORDS[whole - 1] if whole else None  # only its line end is missing
            expected |= {whole_line.name: whole_line} if whole_line else {}
        assert found == expected


def test_damage_in_the_middle_is_left_out(tmp_path: Path) -> None:
    """Zeros where a disk lost power cost the lines that they stand in."""
    path = write(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[3] = b"\0" * len(lines[3])
    path.write_bytes(b"\n".join(lines))
    assert read_ledger(tmp_path).records == {"A": RECORDS[0], "B": RECORDS[3]}


def test_every_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Later runs have later names, and theirs is the last word."""
    write(tmp_path)
    with LedgerWriter(tmp_path, RUN) as one, LedgerWriter(tmp_path, RUN) as other:
        one.append(Record("B", PENDING))
        other.append(Record("B", DONE, key="new"))
    assert [path.name for path in ledger_files(tmp_path)] == [
        "000001.jsonl",
        "000002.jsonl",
        "000003.jsonl",
    ]
    assert read_ledger(tmp_path).records["B"].key == "new"


def test_a_full_disk_is_told_and_harms_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that was cut is an OutputError, and what is written afterwards is whole."""
    write_bytes = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) > 40:
            return write_bytes(descriptor, data[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    with LedgerWriter(tmp_path, RUN) as writer:
        writer.append(RECORDS[0])
        with monkeypatch.context() as patched:
            patched.setattr(module.os, "write", half)
            with pytest.raises(OutputError, match="No space left"):
                writer.append(RECORDS[2])
        writer.append(RECORDS[3])
    assert read_ledger(tmp_path).records == {"A": RECORDS[0], "B": RECORDS[3]}


def test_every_line_is_on_the_disk_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each append ends with an fsync of the ledger's file."""
    synced: list[int] = []
    with LedgerWriter(tmp_path, RUN) as writer:
        monkeypatch.setattr(module.os, "fsync", synced.append)
        writer.append(RECORDS[0])
        writer.append(*RECORDS[1:])
    assert len(synced) == 2
    assert len(set(synced)) == 1


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    """Where a file stands in the ledger's place, exit code 10 says so."""
    (tmp_path / FOLDER).write_text("a file")
    with pytest.raises(OutputError) as raised:
        LedgerWriter(tmp_path, RUN)
    assert raised.value.exit_code == 10
