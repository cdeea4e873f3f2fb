"""Do patients in worker processes of this computer, and survive the death of any of them.

A worker opens the model once and takes up to `DEPTH` patients at a time: one is in the network
while another is read and prepared and a third is written. If it dies, nobody knows which of
them was to blame, so that each is tried again alone: the one that kills a worker by itself is
the one that fails, and its neighbors are done.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeAlias, cast

from latup_cli.domain.cohort import FAILED, Failure, Record, Task
from latup_cli.errors import DeviceError, LatupError, WorkerError, WorkerKilledError

Work: TypeAlias = Callable[[Task], Record]
"""Does one patient; never raises, and may be called by several threads at once."""

DEPTH = 3
"""Patients that a worker has at a time; each takes the memory of one study."""

_POLL_S = 0.5
_MOST_BAD_STARTS = 2
_READY = "ready"


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, and what it has in hand.

    Attributes:
        process: The process.
        connection: Tasks go there, records come back.
        tasks: Name to task that was sent and not answered.
        is_ready: Whether its model is open.
        is_alone: Whether the task that it has is tried alone.
        retires: Whether it gets no more tasks: its device may be in a bad state.
    """

    process: BaseProcess
    connection: Connection
    tasks: dict[str, Task] = field(default_factory=dict)
    is_ready: bool = False
    is_alone: bool = False
    retires: bool = False


@dataclass(slots=True, eq=False)
class _Pool:
    """What is left to do, and who does it."""

    open_work: Callable[[], Work]
    jobs: int
    waiting: deque[Task]
    suspects: deque[Task] = field(default_factory=deque)
    workers: list[_Worker] = field(default_factory=list)
    bad_starts: int = 0

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.suspects)

    @property
    def in_hand(self) -> bool:
        return any(worker.tasks for worker in self.workers)

    @property
    def idle(self) -> int:
        """Workers without a task, which should get one before others get their next."""
        return sum(not worker.tasks for worker in self.workers)


def run_in_workers(
    tasks: Sequence[Task],
    open_work: Callable[[], Work],
    *,
    jobs: int,
    stop: threading.Event,
) -> Iterator[Record]:
    """Do every task; records come in the order in which they are finished.

    Args:
        tasks: Patients, in order.
        open_work: Called once in every worker; has to be picklable.
        jobs: Worker processes at a time.
        stop: Once set, no task is begun any more; those in hand are finished.

    Raises:
        LatupError: If the model cannot be opened.
        WorkerError: If workers die before they have opened it.
    """
    pool = _Pool(open_work, min(jobs, len(tasks)), deque(tasks))
    try:
        while pool.in_hand or (pool.has_work and not stop.is_set()):
            if not stop.is_set():
                _staff(pool)
                for worker in pool.workers:
                    _feed(pool, worker)
            ears = {worker.connection: worker for worker in pool.workers}
            for heard in wait(list(ears), timeout=_POLL_S):
                yield from _listen(pool, ears[cast("Connection", heard)])
    finally:
        for worker in pool.workers:
            _end(worker)


def serve(connection: Connection, open_work: Callable[[], Work]) -> None:
    """What a worker process does until it is told that there is nothing left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = open_work()
    except LatupError as error:
        connection.send(error)
        return
    connection.send(_READY)
    speak = threading.Lock()

    def answer(task: Task) -> None:
        record = work(task)
        with speak:
            connection.send(record)

    with ThreadPoolExecutor(DEPTH) as threads, suppress(EOFError, OSError):
        while (task := connection.recv()) is not None:
            threads.submit(answer, task)


def _end_with_parent() -> None:
    """Let no worker outlive its parent: the next run may give its patients to somebody else."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _staff(pool: _Pool) -> None:
    """Start workers up to the number that is wanted and of use."""
    wanted = min(pool.jobs, len(pool.workers) + len(pool.waiting) + len(pool.suspects))
    context = multiprocessing.get_context("spawn")
    while len(pool.workers) < wanted:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, pool.open_work), daemon=True)
        with _ctrl_c_ignored():
            process.start()
        theirs.close()
        pool.workers.append(_Worker(process, ours))


def _feed(pool: _Pool, worker: _Worker) -> None:
    """Give a worker what it can take: one suspect, or patients up to `DEPTH`."""
    if not worker.is_ready or worker.retires or worker.is_alone:
        return
    with suppress(OSError):  # it has just died, which is heard of next
        if pool.suspects:
            if not worker.tasks:
                worker.is_alone = True
                _send(worker, pool.suspects.popleft())
            return
        while pool.waiting and len(worker.tasks) < DEPTH:
            if worker.tasks and len(pool.waiting) <= pool.idle:
                return
            _send(worker, pool.waiting.popleft())


def _send(worker: _Worker, task: Task) -> None:
    worker.tasks[task.name] = task
    worker.connection.send(task)


def _listen(pool: _Pool, worker: _Worker) -> Iterator[Record]:
    """Take in what a worker says, or that it has died."""
    try:
        said = worker.connection.recv()
    except (EOFError, OSError):
        yield from _bury(pool, worker)
        return
    if isinstance(said, LatupError):
        raise said
    if said == _READY:
        worker.is_ready, pool.bad_starts = True, 0
        return
    yield from _take(pool, worker, said)


def _take(pool: _Pool, worker: _Worker, record: Record) -> Iterator[Record]:
    """A patient's record. One that a device failed is tried again, alone in a new worker."""
    task = worker.tasks.pop(record.name)
    was_alone, worker.is_alone = worker.is_alone, False
    failed_device = record.failure is not None and record.failure.exit_code == DeviceError.exit_code
    worker.retires = worker.retires or failed_device
    if failed_device and not was_alone:
        pool.suspects.append(task)
    else:
        yield record
    if worker.retires and not worker.tasks:
        pool.workers.remove(worker)
        _end(worker)


def _bury(pool: _Pool, worker: _Worker) -> Iterator[Record]:
    """A worker has died: try what it had in hand alone, or say that this is what kills it."""
    pool.workers.remove(worker)
    worker.process.join()
    worker.connection.close()
    error = died(worker.process.exitcode)
    if not worker.is_ready:
        pool.bad_starts += 1
        if pool.bad_starts >= _MOST_BAD_STARTS:
            raise error
    if len(worker.tasks) == 1:
        (name,) = worker.tasks
        yield Record(name, FAILED, failure=Failure.of(error))
    else:
        pool.suspects.extend(worker.tasks.values())


def died(status: int | None) -> WorkerError:
    """What a process's exit status says about its end."""
    if status is None or status >= 0:
        return WorkerError(f"exit status {status}")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    said = f"signal {-status} ({name})"
    return WorkerKilledError(said) if name == "SIGKILL" else WorkerError(said)


def _end(worker: _Worker) -> None:
    """Let an idle worker go; kill one that has something in hand."""
    if worker.is_ready and not worker.tasks:
        with suppress(OSError):
            worker.connection.send(None)
        worker.process.join(_POLL_S)
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Around the start of a process, which inherits that it ignores Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
