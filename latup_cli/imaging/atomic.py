"""Write a file beside its place and then rename it, so that nobody ever sees half of one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latup_cli.errors import OutputError

_TRIES = 20
"""Of making a folder, while others who share the place go away and take it with them."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of `path`.

    The temporary name keeps the suffixes, because writers choose a format by them.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    beside = path.with_name(f".{uuid.uuid4().hex[:12]}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        _sync(beside)
        beside.replace(path)
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from error
    finally:
        with suppress(OSError):  # there may be no such folder, and the first error counts
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends.

    Bytes of file names that are no UTF-8 become escapes with a backslash, as JSON has them.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _sync(path: Path) -> None:
    """Push the bytes to the disk before the name points at them."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a hidden folder to write several files to; on success all of them move to `folder`.

    After a failure nothing of it is left, not even folders that did not exist before; nor are
    those kept if nothing was written.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    made: list[Path] = []
    stage = folder / f".{uuid.uuid4().hex[:12]}"
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        _make(stage)
        yield stage
        for path in sorted(stage.iterdir()):
            path.replace(folder / path.name)
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for place in made:  # from the innermost outwards; one that is in use stays
            with suppress(OSError):
                place.rmdir()


def _make(stage: Path) -> None:
    """Make a folder and those above it, which another process may remove while they are empty."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            stage.mkdir(parents=True)
            return
    stage.mkdir(parents=True)
