"""A patient that kills its worker is recorded as failed, and all others are done."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from latup_cli.domain.cohort import DONE, FAILED, Failure, Record, Task
from latup_cli.domain.study import StudyFiles
from latup_cli.errors import (
    DeviceError,
    ModelNotFoundError,
    WorkerError,
    WorkerKilledError,
)
from latup_cli.workflows.batch_workers import Work, died, run_in_workers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals that kill are POSIX's")


def tasks(*names: str) -> list[Task]:
    """Patients whose names say what they do to their worker."""
    return [Task(name, StudyFiles(name, {}), Path(), Path(), "") for name in names]


def run(
    names: list[str],
    open_work: Callable[[], Work],
    *,
    jobs: int = 1,
    stop: threading.Event | None = None,
) -> dict[str, Record]:
    """Name to record, each name once."""
    stop = stop or threading.Event()
    records = list(run_in_workers(tasks(*names), open_work, jobs=jobs, stop=stop))
    assert len({record.name for record in records}) == len(records)
    return {record.name: record for record in records}


def open_by_name() -> Work:
    """What a worker does with a patient is in the patient's name."""
    return _by_name


def open_nothing() -> Work:
    """A model that is not there."""
    raise ModelNotFoundError("nowhere")


def open_crashing() -> Work:
    """An engine whose native code aborts."""
    os.abort()


def open_counting(folder: Path) -> Work:
    """Leaves a file per opened model."""
    (folder / str(os.getpid())).touch()
    return _by_name


def _by_name(task: Task) -> Record:
    if task.name.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.name.startswith("abort"):
        os.abort()
    if task.name.startswith("exit"):
        os._exit(3)
    if task.name.startswith("device"):
        error = DeviceError("cuda:0", "its memory is full")
        return Record(task.name, FAILED, failure=Failure.of(error))
    if task.name.startswith("slow"):
        time.sleep(0.3)
    return Record(task.name, DONE, key=str(os.getpid()))


def test_everybody_is_done_with_one_model(tmp_path: Path) -> None:
    """One worker opens the model once for all of its patients."""
    records = run([f"P{n}" for n in range(12)], partial(open_counting, tmp_path))
    assert [record.state for record in records.values()] == [DONE] * 12
    assert len(list(tmp_path.iterdir())) == 1
    assert {record.key for record in records.values()} == {p.name for p in tmp_path.iterdir()}


def test_jobs_share_the_work(tmp_path: Path) -> None:
    """Two workers have a model each, and both have patients."""
    names = [f"slow{n}" for n in range(12)]
    records = run(names, partial(open_counting, tmp_path), jobs=2)
    assert len({record.key for record in records.values()}) == 2
    assert len(records) == 12


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_one_that_kills_fails_and_its_neighbors_do_not(jobs: int) -> None:
    """Of patients that a dying worker had in hand, only the one that kills again is failed."""
    names = ["P0", "kill-1", "P2", "slow-3", "P4", "abort-5", "P6", "exit-7", "P8"]
    records = run(names, open_by_name, jobs=jobs)
    assert set(records) == set(names)
    failed = {name: r.failure for name, r in records.items() if r.state == FAILED}
    assert set(failed) == {"kill-1", "abort-5", "exit-7"}
    killed, aborted, ended = failed["kill-1"], failed["abort-5"], failed["exit-7"]
    assert killed
    assert aborted
    assert ended
    assert (killed.error, killed.exit_code) == ("WorkerKilledError", 6)
    assert killed.message == "The worker died with signal 9 (SIGKILL): out of memory?"
    assert "--jobs" in killed.hint
    assert (aborted.error, aborted.exit_code) == ("WorkerError", 1)
    assert "signal 6 (SIGABRT)" in aborted.message
    assert "exit status 3" in ended.message


def test_a_device_that_fails_is_tried_once_more_alone(tmp_path: Path) -> None:
    """A patient that a device failed gets a new worker to itself before it counts as failed."""
    records = run(["P0", "device-1", "P2"], partial(open_counting, tmp_path))
    assert records["device-1"].state == FAILED
    assert records["P0"].state == records["P2"].state == DONE
    assert len(list(tmp_path.iterdir())) >= 2


def test_a_model_that_cannot_be_opened_is_everybody_s_error() -> None:
    """What the worker says about the model comes out as the error that it is."""
    with pytest.raises(ModelNotFoundError):
        run(["P0", "P1"], open_nothing)


def test_a_crash_while_opening_ends_the_run() -> None:
    """Workers that die before they have a patient are not started for ever."""
    with pytest.raises(WorkerError, match="SIGABRT"):
        run(["P0", "P1"], open_crashing)


def test_after_stop_nobody_is_begun() -> None:
    """What is in hand is finished, and the rest is left."""
    stop = threading.Event()
    records = []
    names = [f"P{n}" for n in range(20)]
    for record in run_in_workers(tasks(*names), open_by_name, jobs=1, stop=stop):
        records.append(record)
        stop.set()
    assert 1 <= len(records) < 20


def test_abandoned_workers_are_gone() -> None:
    """Who closes the run in the middle leaves no process behind."""
    names = [f"slow{n}" for n in range(8)]
    running = run_in_workers(tasks(*names), open_by_name, jobs=2, stop=threading.Event())
    process = int(next(running).key)
    running.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (-9, WorkerKilledError, "signal 9"),
        (-11, WorkerError, "SIGSEGV"),
        (-64, WorkerError, "signal 64"),
        (5, WorkerError, "exit status 5"),
        (None, WorkerError, "exit status None"),
    ],
)
def test_how_a_process_ended(status: int | None, error: type[WorkerError], said: str) -> None:
    """Exit statuses are told in words, and only SIGKILL hints at memory."""
    found = died(status)
    assert type(found) is error
    assert said in str(found)
