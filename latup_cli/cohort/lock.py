"""Two runs never do the same patients at once: the second is told who is at work.

A lock is a file with host, process and moment, created so that only one can win. Its holder
touches it every few seconds. It is stale if its process is not there any more on this
computer, or if nobody has touched it for a minute by the file server's own clock, for after
kill -9 or a loss of power nobody takes it away. Runs over different parts of the same split hold
different locks and share the work; file locks of the system are not used because network file
systems differ in what they promise.

A holder that slept for a minute and finds its lock taken stops. Should two runs ever do one
patient, nothing is lost: both rename the same bytes into place.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from latup_cli.cohort.ledger import FOLDER, utc_now
from latup_cli.errors import OutputError, RunGoesOnError

_BEAT_S = 10.0
_STALE_S = 60.0
_NAME = re.compile(r"part-(\d+)-of-(\d+)\.lock")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works in an output folder.

    Attributes:
        host: The computer.
        process: Number of the process there.
        since: In UTC.
        token: Tells two holders apart that share all else.
    """

    host: str
    process: int
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


Refuse: TypeAlias = Callable[[Path, Holder | None], None]


@contextmanager
def locked(output: Path, num_parts: int = 1, part_id: int = 0) -> Iterator[threading.Event]:
    """Hold the lock of one part of a study.

    Yields:
        An event that is set if somebody has taken the lock away.

    Raises:
        RunGoesOnError: If a run over some of the same patients is at work.
        OutputError: If there is no writing in the folder.
    """
    path = output / FOLDER / f"part-{part_id}-of-{num_parts}.lock"
    with held(path, refuse=_refuse_overlap) as lost:
        yield lost


@contextmanager
def held(path: Path, *, refuse: Refuse = lambda _path, _mine: None) -> Iterator[threading.Event]:
    """Hold a lock.

    Args:
        path: The lock's file; its folder is made if it is not there.
        refuse: Called before and after the lock is taken, then with its holder; raises
            `RunGoesOnError` if another lock stands in the way.

    Yields:
        An event that is set if somebody has taken the lock away.

    Raises:
        RunGoesOnError: If somebody else holds it.
        OutputError: If there is no writing in the folder.
    """
    mine = Holder(socket.gethostname(), os.getpid(), utc_now(), uuid.uuid4().hex)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse(path, None)
        _take(path, mine)
        refuse(path, mine)
    except OSError as error:
        if isinstance(error, RunGoesOnError):
            raise
        raise OutputError(path.parent, error.strerror or str(error)) from error
    ended, lost = threading.Event(), threading.Event()
    heart = threading.Thread(target=_beat, args=(path, mine, ended, lost), daemon=True)
    heart.start()
    try:
        yield lost
    finally:
        ended.set()
        heart.join()
        _release(path, mine)


def holders(output: Path) -> dict[Path, Holder]:
    """Locks of runs that are at work, and who holds them."""
    found = {}
    for path in sorted((output / FOLDER).glob("part-*.lock")):
        holder = _read(path)
        if holder is not None and not _is_stale(path, holder):
            found[path] = holder
    return found


def _refuse_overlap(path: Path, mine: Holder | None) -> None:
    """Another split of the study shares patients with this part; another part of it does not."""
    for other, holder in holders(path.parent.parent).items():
        part, of = _part(other), _part(path)
        if holder != mine and (part[0] == of[0] or part[1] != of[1]):
            if mine is not None:
                _release(path, mine)
            raise RunGoesOnError(path.parent, str(holder))


def _take(path: Path, mine: Holder) -> None:
    """Create the lock, whole from its first moment, after moving a stale one aside."""
    beside = path.with_name(f".{mine.token}")
    beside.write_text(json.dumps(asdict(mine)), encoding="utf-8")
    try:
        for _ in range(2):
            if _appeared(beside, path):
                return
            seen = _read(path)
            if seen is not None and not _is_stale(path, seen):
                break
            _move_aside(path, mine, seen)
    finally:
        beside.unlink(missing_ok=True)
    raise RunGoesOnError(path.parent, str(_read(path) or "it began just now"))


def _appeared(beside: Path, path: Path) -> bool:
    """Give a file its name, unless another file has it."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _copied(beside, path)
    return True


def _copied(beside: Path, path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(beside.read_bytes())
    return True


def _move_aside(path: Path, mine: Holder, seen: Holder | None) -> None:
    """Remove a stale lock; not one that somebody else has just put in its place."""
    aside = path.with_name(f".{mine.token}.stale")
    with suppress(FileNotFoundError):
        path.rename(aside)
        moved = _read(aside)
        if moved != seen:
            _appeared(aside, path)
        aside.unlink()


def _beat(path: Path, mine: Holder, ended: threading.Event, lost: threading.Event) -> None:
    while not ended.wait(_BEAT_S):
        try:
            if _read(path) != mine:
                lost.set()
                return
            os.utime(path)
        except OSError:
            continue  # a share that comes back within the minute does no harm


def _release(path: Path, mine: Holder) -> None:
    with suppress(OSError):
        if _read(path) == mine:
            path.unlink()


def _read(path: Path) -> Holder | None:
    """The holder; None if there is no lock, or one that was cut while it was written."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_stale(path: Path, holder: Holder) -> bool:
    if holder.host == socket.gethostname() and os.name == "posix" and not _runs(holder.process):
        return True
    try:
        return _server_now(path.parent) - path.stat().st_mtime > _STALE_S
    except OSError:
        return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _server_now(folder: Path) -> float:
    """The time by the clock of the file system, which stamps a file that is made now."""
    probe = folder / f".{uuid.uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _part(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2])) if match else (0, 1)
