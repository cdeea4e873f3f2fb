"""A Dask cluster gives the same masks, and survives the death of a worker in mid-run."""

from __future__ import annotations

import ast
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import latup_cli
from latup_cli.domain.cohort import DONE, FAILED, Record, Task
from latup_cli.domain.study import StudyFiles
from latup_cli.errors import ClusterError, ModelNotFoundError
from latup_cli.workflows.batch import run_batch
from latup_cli.workflows.batch_workers import Work
from tests.fixtures.cohorts import batch_on_cpu, masks, write_goods

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "latup_cli" / "workflows"
VERSION = latup_cli.__version__
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals that kill are POSIX's")


@pytest.fixture(scope="module")
def scheduler_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster's scheduler writes its address when it starts."""
    return tmp_path_factory.mktemp("cluster") / "scheduler.json"


@pytest.fixture(scope="module")
def cluster(scheduler_file: Path) -> Iterator[str]:
    """Address of a cluster of two worker processes on this computer."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs={"scheduler_file": str(scheduler_file)},
        ) as local,
    ):
        yield local.scheduler_address


def tasks(*names: str, version: str = VERSION) -> list[Task]:
    """Patients whose names say what they do to their worker."""
    return [Task(name, StudyFiles(name, {}), Path(), Path(), version) for name in names]


def run(cluster: str, given: list[Task], open_work: Callable[[], Work]) -> dict[str, Record]:
    """Name to record, each name once."""
    from latup_cli.workflows.batch_dask import run_on_cluster

    found = list(run_on_cluster(given, open_work, scheduler=cluster, stop=threading.Event()))
    assert len({record.name for record in found}) == len(found)
    return {record.name: record for record in found}


def open_deadly(folder: Path) -> Work:
    """Work in which one patient kills its worker, the first time or every time."""
    return partial(_deadly, folder)


def open_nothing() -> Work:
    """A model that is not there."""
    raise ModelNotFoundError("nowhere")


def _deadly(folder: Path, task: Task) -> Record:
    died = folder / task.name
    if task.name.startswith("always") or (task.name.startswith("once") and not died.exists()):
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Record(task.name, DONE, key=str(os.getpid()))


def open_killing_once(folder: Path, open_work: Callable[[], Work]) -> Work:
    """The real work, but its first worker is killed when it gets its second patient."""
    return _KillingOnce(folder, open_work())


class _KillingOnce:
    def __init__(self, folder: Path, work: Work) -> None:
        self.folder, self.work, self.patients = folder, work, 0

    def __call__(self, task: Task) -> Record:
        self.patients += 1
        if self.patients == 2:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                return self.work(task)
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(task)


@POSIX
def test_a_cluster_with_a_killed_worker_gives_the_same_masks(
    cluster: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two workers is killed in mid-run; all are done, and each mask has the same bytes."""
    from latup_cli.workflows import batch_dask

    study = write_goods(tmp_path / "study", 6)
    run_batch(study, tmp_path / "here", batch_on_cpu(model))
    run_on_cluster = batch_dask.run_on_cluster

    def killing(given: list[Task], open_work: Callable[[], Work], **how: object) -> object:
        return run_on_cluster(given, partial(open_killing_once, tmp_path, open_work), **how)

    monkeypatch.setattr(batch_dask, "run_on_cluster", killing)
    done = run_batch(study, tmp_path / "there", batch_on_cpu(model, scheduler=cluster))
    assert (tmp_path / "killed").exists()
    assert (done.exit_code, done.done) == (0, 6)
    assert masks(tmp_path / "there") == masks(tmp_path / "here")


@POSIX
def test_who_kills_every_worker_fails_and_nobody_else(cluster: str, tmp_path: Path) -> None:
    """Dask gives up on a patient that killed several workers, and the rest are done."""
    names = ["P0", "once", "P1", "always", "P2"]
    records = run(cluster, tasks(*names), partial(open_deadly, tmp_path))
    assert {name: record.state for name, record in records.items()} == {
        **dict.fromkeys(names, DONE),
        "always": FAILED,
    }
    failure = records["always"].failure
    assert failure is not None
    assert (failure.error, failure.exit_code) == ("WorkerKilledError", 6)


def test_a_model_that_cannot_be_opened_is_everybody_s_error(cluster: str) -> None:
    """What a worker says about the model ends the run as the error that it is."""
    with pytest.raises(ModelNotFoundError):
        run(cluster, tasks("P0", "P1"), open_nothing)


def test_another_version_on_the_workers_is_refused(cluster: str, tmp_path: Path) -> None:
    """Workers with another version of the program would give other results."""
    with pytest.raises(ClusterError, match="a worker has latup") as raised:
        run(cluster, tasks("P0", version="0"), partial(open_deadly, tmp_path))
    assert raised.value.exit_code == 6


@pytest.mark.usefixtures("cluster")
def test_a_scheduler_file_names_the_cluster(scheduler_file: Path, tmp_path: Path) -> None:
    """The file that `dask scheduler --scheduler-file` writes does as well as an address."""
    records = run(str(scheduler_file), tasks("P0"), partial(open_deadly, tmp_path))
    assert records["P0"].state == DONE


def test_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nobody listens the error names the address and has exit code 6."""
    from latup_cli.workflows import batch_dask

    monkeypatch.setattr(batch_dask, "_PATIENCE_S", 0.5)
    with pytest.raises(ClusterError, match=r"tcp://127.0.0.1:9"):
        run("tcp://127.0.0.1:9", tasks("P0"), partial(open_deadly, tmp_path))


def test_only_one_module_knows_dask() -> None:
    """Who does not use a cluster does not need Dask, not even to import everything else."""
    knowing = []
    for path in (ROOT / "latup_cli").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        named += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        if {name.partition(".")[0] for name in named} & {"dask", "distributed"}:
            knowing.append(path)
    assert knowing == [WORKFLOWS / "batch_dask.py"]
