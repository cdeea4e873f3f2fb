"""Do patients on a Dask cluster, of one computer or of many: the only import of Dask.

Every worker of the cluster opens the model once, when it gets its first patient. Patients share
its network one at a time; with two or three threads per worker, others are read, prepared and
written meanwhile. If a worker dies, Dask gives its patients to another one. Those that have
seen several workers die are tried again when the others have ended, one at a time: only who kills
workers alone is recorded as failed.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from distributed import Client, Future, KilledWorker, Worker, WorkerPlugin, get_worker

from latup_cli import __version__
from latup_cli.domain.cohort import FAILED, Failure, Record, Task
from latup_cli.errors import ClusterError, LatupError, WorkerKilledError
from latup_cli.workflows.batch_workers import Work

_POLL_S = 0.5
_PATIENCE_S = 30


class OpenModel(WorkerPlugin):  # type: ignore[misc]  # Dask is not typed
    """Keeps one open model in each worker of a cluster.

    Args:
        open_work: Opens it.
        name: Tells this run's model from those of others on the same cluster.
    """

    def __init__(self, open_work: Callable[[], Work], name: str) -> None:
        self.name = name
        self._open_work = open_work
        self._work: Work | None = None

    def setup(self, worker: Worker) -> None:  # noqa: ARG002  (Dask calls it so)
        """In the worker: what cannot travel begins here."""
        self._opening = threading.Lock()

    def __call__(self, task: Task) -> Record:
        """Do one patient, after opening the model for the first.

        Raises:
            LatupError: If the model cannot be opened.
        """
        with self._opening:
            if self._work is None:
                self._work = self._open_work()
        return self._work(task)


def run_on_cluster(
    tasks: Sequence[Task],
    open_work: Callable[[], Work],
    *,
    scheduler: str,
    stop: threading.Event,
) -> Iterator[Record]:
    """Do every task; records come in the order in which they are finished.

    Args:
        tasks: Patients, in order. The cluster's computers must see their files under the same
            paths.
        open_work: Called once in every worker; has to be picklable.
        scheduler: Address such as `tcp://host:8786`, or a scheduler file.
        stop: Once set, what has not begun is taken back, and the rest is finished.

    Raises:
        ClusterError: If there is no scheduler, it goes away, or has another version of latup.
        LatupError: If the model cannot be opened on a worker.
    """
    name = f"latup-{uuid.uuid4().hex[:12]}"
    with _connected(scheduler) as client:
        client.register_plugin(OpenModel(open_work, name))
        cluster = _Cluster(client, scheduler, name, stop)
        try:
            suspects: list[Task] = []
            for task, record in _together(cluster, tasks):
                if record is None:
                    suspects.append(task)
                else:
                    yield record
            for suspect in suspects:  # the others have ended, so that nobody shares the blame
                for task, record in _together(cluster, [suspect]):
                    yield record or _killed(task)
        finally:
            with suppress(Exception):  # the cluster may be gone, and the first error counts
                client.unregister_worker_plugin(name)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A cluster, and what this run is called there."""

    client: Client
    scheduler: str
    name: str
    stop: threading.Event


def _together(cluster: _Cluster, tasks: Sequence[Task]) -> Iterator[tuple[Task, Record | None]]:
    """Each task with its record; None for one over which workers have died."""
    client, ended = cluster.client, SimpleQueue[Future]()
    futures: dict[Future, Task] = {}
    try:
        for number, task in enumerate([] if cluster.stop.is_set() else tasks):
            key = f"{cluster.name}-{uuid.uuid4().hex}"
            future = client.submit(_do, cluster.name, task, key=key, pure=False, priority=-number)
            futures[future] = task
            future.add_done_callback(ended.put)
        for future in _ended(cluster, futures, ended):
            try:
                record = _answer(cluster, future)
            except TimeoutError:  # its worker died with the answer; Dask asks another one
                future.add_done_callback(ended.put)
                continue
            yield futures.pop(future), record
    finally:
        with suppress(Exception):
            client.cancel(list(futures))


def _ended(
    cluster: _Cluster, futures: dict[Future, Task], ended: SimpleQueue[Future]
) -> Iterator[Future]:
    """Futures as they end, until none is left."""
    taken_back = False
    while futures:
        if cluster.stop.is_set() and not taken_back:
            _take_back(cluster.client, futures)
            taken_back = True
            continue
        try:
            future = ended.get(timeout=_POLL_S)
        except Empty:
            if cluster.client.status != "running":
                reason = "it does not answer any more"
                raise ClusterError(cluster.scheduler, reason) from None
            continue
        if future in futures:
            yield future


def _do(name: str, task: Task) -> Record:
    """In a worker of the cluster."""
    if task.version != __version__:
        raise ClusterError("the scheduler", f"a worker has latup {__version__}")
    work: OpenModel = get_worker().plugins[name]
    return work(task)


def _connected(scheduler: str) -> Client:
    """A client of a scheduler that was named by its address or its file."""
    try:
        if Path(scheduler).is_file():
            return Client(scheduler_file=scheduler, timeout=_PATIENCE_S, set_as_default=False)
        return Client(scheduler, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClusterError(scheduler, reason.rstrip(".")) from error


def _take_back(client: Client, futures: dict[Future, Task]) -> None:
    """Cancel what no worker has begun."""
    executing = {key for keys in client.run(_executing).values() for key in keys}
    idle = [future for future in futures if future.key not in executing and not future.done()]
    for future in idle:
        del futures[future]
    client.cancel(idle)


def _executing(dask_worker: Worker) -> list[str]:
    return [task.key for task in dask_worker.state.executing]


def _answer(cluster: _Cluster, future: Future) -> Record | None:
    """What a worker said; None if workers have died over it, or over a neighbor of it."""
    try:
        record: Record = future.result(timeout=_PATIENCE_S)
    except KilledWorker:
        return None
    except (LatupError, TimeoutError):
        raise
    except Exception as error:
        reason = f"it has lost a patient ({type(error).__name__})"
        raise ClusterError(cluster.scheduler, reason) from error
    return record


def _killed(task: Task) -> Record:
    failure = Failure.of(WorkerKilledError("one signal or another, alone and several times"))
    return Record(task.name, FAILED, failure=failure)
