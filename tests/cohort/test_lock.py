"""Two runs never do the same patients at once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from latup_cli.cohort import lock as module
from latup_cli.cohort.ledger import FOLDER
from latup_cli.cohort.lock import Holder, holders, locked
from latup_cli.errors import RunGoesOnError


def leave(output: Path, holder: Holder, *, age_s: float = 0.0) -> Path:
    """A lock that somebody else has left."""
    path = output / FOLDER / "part-0-of-1.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    touched = path.stat().st_mtime - age_s
    os.utime(path, (touched, touched))
    return path


def elsewhere(process: int = 1) -> Holder:
    """A holder on another computer."""
    return Holder("another-computer", process, "2026-11-23T10:00:00Z", "token")


def ended_process() -> int:
    """Number of a process that is not there any more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_second_run_is_told_by_whom(tmp_path: Path) -> None:
    """While a lock is held, another run is refused, with exit code 7, host and process."""
    with locked(tmp_path):
        with pytest.raises(RunGoesOnError, match=f"process {os.getpid()}") as raised:
            locked(tmp_path).__enter__()
        assert raised.value.exit_code == 7
        assert len(holders(tmp_path)) == 1
    with locked(tmp_path):
        pass
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_parts_of_one_split_share_the_work(tmp_path: Path) -> None:
    """Runs over different parts go together; the same part, or another split, is refused."""
    with locked(tmp_path, 3, 0), locked(tmp_path, 3, 2):
        for num_parts, part_id in ((3, 0), (1, 0), (2, 1)):
            with pytest.raises(RunGoesOnError):
                locked(tmp_path, num_parts, part_id).__enter__()
        assert len(holders(tmp_path)) == 2


def test_only_one_of_many_wins(tmp_path: Path) -> None:
    """Of runs that begin at the same moment, one gets the lock."""
    together, held = threading.Barrier(8), threading.Event()
    results: list[str] = []

    def take() -> None:
        together.wait()
        try:
            with locked(tmp_path):
                results.append("won")
                while len(results) < 8:
                    held.wait(0.01)
        except RunGoesOnError:
            results.append("told")

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["told"] * 7 + ["won"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere only the time tells")
def test_the_lock_of_a_killed_process_is_taken(tmp_path: Path) -> None:
    """On the same computer a process that is gone holds nothing, however fresh its lock is."""
    leave(tmp_path, Holder(socket.gethostname(), ended_process(), "", "token"))
    with locked(tmp_path) as lost:
        assert [holder.process for holder in holders(tmp_path).values()] == [os.getpid()]
        assert not lost.is_set()


def test_a_lock_from_elsewhere_lives_while_it_is_touched(tmp_path: Path) -> None:
    """Another computer's lock counts for a minute after its last touch, and not longer."""
    leave(tmp_path, elsewhere(), age_s=30)
    with pytest.raises(RunGoesOnError, match="another-computer"):
        locked(tmp_path).__enter__()
    leave(tmp_path, elsewhere(), age_s=90)
    with locked(tmp_path):
        pass


def test_a_lock_that_was_cut_holds_nothing(tmp_path: Path) -> None:
    """An empty lock, as a loss of power leaves it, is taken."""
    leave(tmp_path, elsewhere()).write_text("")
    with locked(tmp_path):
        assert len(holders(tmp_path)) == 1


def test_a_sleeper_learns_that_its_lock_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose lock somebody has taken over is told, and leaves the new lock alone."""
    monkeypatch.setattr(module, "_BEAT_S", 0.01)
    with locked(tmp_path) as lost:
        path = leave(tmp_path, elsewhere())
        assert lost.wait(10)
    assert json.loads(path.read_text())["host"] == "another-computer"


def test_a_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder touches its lock again and again, so that it does not look stale."""
    monkeypatch.setattr(module, "_BEAT_S", 0.01)
    touched, touch = threading.Event(), os.utime

    def seen(path: Path, *times: object) -> None:
        touch(path, *times)
        if path.suffix == ".lock":
            touched.set()

    monkeypatch.setattr(module.os, "utime", seen)
    with locked(tmp_path):
        assert touched.wait(10)


def test_no_hard_links_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links one run still wins and the next is told."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.os, "link", refuse)
    with locked(tmp_path), pytest.raises(RunGoesOnError):
        locked(tmp_path).__enter__()
