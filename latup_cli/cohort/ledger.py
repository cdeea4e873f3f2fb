"""The ledger of a run: append-only files of JSON lines, each line on the disk before the next.

Not SQLite: its locks and shared memory are not to be trusted on NFS and SMB, where studies
lie, and a damaged page can take the whole database. Here each run appends to a file of its own,
so that nobody ever writes into anybody's file. A line is one `write` and one `fsync`; kill -9 or
a loss of power can cut at most the last line, which readers leave out, and the patient it
was about is done again. The result files are renamed into place, with their bytes on the disk,
before the line that names them is written: a mask that a line calls done is whole.

Files are numbered in the order in which runs began. The last line about a patient counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from latup_cli.domain.cohort import Failure, HashedFile, Record, WrittenFile
from latup_cli.errors import OutputError

FOLDER = "batch-run"
"""In the output folder. Whatever holds it is ours, and is never searched for patients."""

_SUFFIX = ".jsonl"
_RUN, _PATIENT = "run", "patient"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run said when it began.

    Attributes:
        version: Of the program.
        started: In UTC.
        settings: Identity of model and settings.
        patients: Everybody that it was to see to.
        num_parts: Into how many parts the study is split.
        part_id: Which part it took.
    """

    version: str
    started: str
    settings: str
    patients: tuple[str, ...]
    num_parts: int = 1
    part_id: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that runs in one output folder have written down.

    Attributes:
        runs: In the order in which they began.
        records: Name to the last record about that patient.
        changed_ns: When the newest line was written; 0 if there is none.
    """

    runs: tuple[Run, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)
    changed_ns: int = 0


def read_ledger(output: Path) -> Ledger:
    """Read what earlier runs did; nothing if there were none.

    Raises:
        OutputError: If a ledger is there and cannot be read.
    """
    runs: list[Run] = []
    records: dict[str, Record] = {}
    changed = 0
    try:
        for path in ledger_files(output):
            changed = max(changed, path.stat().st_mtime_ns)
            for line in _lines(path):
                if line.get("kind") == _RUN:
                    runs.append(_run(line))
                elif line.get("kind") == _PATIENT:
                    record = _record(line)
                    records[record.name] = record
    except OSError as error:
        raise OutputError(output / FOLDER, error.strerror or str(error)) from error
    return Ledger(tuple(runs), records, changed)


def ledger_files(output: Path) -> list[Path]:
    """The files of all runs, in the order in which they began."""
    folder = output / FOLDER
    return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []


def utc_now() -> str:
    """The moment, to the second, as ledgers have it."""
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class LedgerWriter:
    """Appends to a file of its own; use it as a context manager.

    Args:
        output: Folder of all results.
        run: What this run is.

    Raises:
        OutputError: If it cannot be written.
    """

    def __init__(self, output: Path, run: Run) -> None:
        self._folder = output / FOLDER
        self._torn = False
        with _explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._create()
        self._append([{"kind": _RUN, **asdict(run)}])
        with _explained(self._folder):
            _sync_folder(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def append(self, *records: Record) -> None:
        """Write records and wait until they are on the disk.

        Raises:
            OutputError: If they cannot be written.
        """
        self._append({"kind": _PATIENT, **asdict(record)} for record in records)

    def _create(self) -> int:
        """A file with the next number; two runs that begin at once get two."""
        number = len(ledger_files(self._folder.parent)) + 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        while True:
            try:
                return os.open(self._folder / f"{number:06}{_SUFFIX}", flags, 0o644)
            except FileExistsError:
                number += 1

    def _append(self, contents: Iterable[Mapping[str, Any]]) -> None:
        lines = "".join(f"{json.dumps(content)}\n" for content in contents)
        if not lines:
            return
        # after a line that a full disk has cut, a new one must not be glued to it
        data = (("\n" if self._torn else "") + lines).encode()
        self._torn = True
        with _explained(self._folder):
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        self._torn = False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from error


def _sync_folder(folder: Path) -> None:
    """Push the new file's name to the disk, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; what was cut or damaged is left out."""
    for line in path.read_bytes().split(b"\n"):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def _run(line: dict[str, Any]) -> Run:
    fields = {name: line[name] for name in Run.__slots__}
    return Run(**{**fields, "patients": tuple(fields["patients"])})


def _record(line: dict[str, Any]) -> Record:
    failure = line["failure"]
    return Record(
        name=line["name"],
        state=line["state"],
        settings=line["settings"],
        key=line["key"],
        inputs=tuple(HashedFile(**file) for file in line["inputs"]),
        results=tuple(WrittenFile(**file) for file in line["results"]),
        row=line["row"],
        failure=None if failure is None else Failure(**failure),
    )
