"""Whatever ends a run, what is done stays done, and the next run does the rest."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from latup_cli.cohort.ledger import FOLDER, LedgerWriter, read_ledger
from latup_cli.domain.cohort import DONE, FAILED, Failure, Record
from latup_cli.errors import (
    InterruptedRunError,
    OutputError,
    RunGoesOnError,
    StoppedRunError,
    StudyGoneError,
)
from latup_cli.imaging import atomic
from latup_cli.workflows import batch as workflow
from latup_cli.workflows import batch_patient
from latup_cli.workflows.batch import run_batch
from latup_cli.workflows.batch_intake import find_cohort
from latup_cli.workflows.batch_leftovers import remove_leftovers
from latup_cli.workflows.batch_patient import open_segmenter
from latup_cli.workflows.batch_status import batch_status
from tests.fixtures.cohorts import batch_on_cpu, forced_on_cpu, masks, write_good, write_goods
from tests.fixtures.phantoms import tree

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def start(study: Path, output: Path, model: Path) -> subprocess.Popen[str]:
    """`latup batch` in a process group of its own."""
    words = ["batch", str(study), "-o", str(output), "--weights", str(model), "--force"]
    return subprocess.Popen(
        [sys.executable, "-m", "latup_cli", *words, "--device", "cpu", "--engine", "onnxruntime"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def lines_until(process: subprocess.Popen[str], word: str, count: int) -> list[str]:
    """What a process says until a word has come so often, or it ends."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if sum(word in line for line in said) == count:
            break
    return said


@pytest.fixture(scope="module")
def undisturbed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of eight and its results; not to be changed."""
    root = tmp_path_factory.mktemp("undisturbed")
    write_goods(root / "study", 8)
    run_batch(root / "study", root / "out", batch_on_cpu(model))
    return root


@POSIX
def test_kill_nine_loses_nothing(undisturbed: Path, model: Path, tmp_path: Path) -> None:
    """Killed three times at random and run again, the masks are those of an undisturbed run."""
    study, output = undisturbed / "study", tmp_path / "out"
    choice = random.Random(8)  # noqa: S311  (a moment, not a secret)
    finished: set[str] = set()
    for _ in range(3):
        with start(study, output, model) as process:
            lines_until(process, ": done", choice.randint(1, 2))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        now = {n for n, r in read_ledger(output).records.items() if r.state == DONE}
        assert finished < now
        finished = now
        assert all(masks(output)[f"{name}_seg.nii.gz"] for name in finished)
    done = run_batch(study, output, batch_on_cpu(model))
    assert done.done == 8
    assert done.before >= len(finished)
    assert masks(output) == masks(undisturbed / "out")
    assert not list(output.rglob(".*"))


@POSIX
def test_workers_do_not_outlive_a_killed_run(
    undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    """When a run is killed its workers end too, so that they cannot disturb the next one."""
    with start(undisturbed / "study", tmp_path, model) as process:
        lines_until(process, ": done", 1)
        os.kill(process.pid, signal.SIGKILL)
        assert process.stderr is not None
        process.stderr.read()  # ends when the last process that holds it has ended


@POSIX
def test_ctrl_c_finishes_what_is_in_work(undisturbed: Path, model: Path, tmp_path: Path) -> None:
    """Ctrl-C ends a run with exit code 130, whole results, and a word on what is left."""
    with start(undisturbed / "study", tmp_path, model) as process:
        said = lines_until(process, ": done", 1)
        os.killpg(process.pid, signal.SIGINT)
        said += (process.communicate()[1] or "").splitlines(keepends=True)
    assert process.returncode == 130
    text = "".join(said)
    assert "Finishing what is in work" in text
    status = batch_status(tmp_path)
    done, left = len(status.of_state(DONE)), len(status.of_state("pending"))
    assert f"Interrupted: {done} patients were finished in this run, {left} are left." in text
    assert done >= 1
    assert left >= 1
    assert status.running == ()
    assert (tmp_path / "summary.csv").is_file()
    assert len(masks(tmp_path)) == done
    assert not list(tmp_path.rglob(".*"))


@POSIX
def test_terminated_runs_abandon_at_once(undisturbed: Path, model: Path, tmp_path: Path) -> None:
    """SIGTERM, which schedulers send before they kill, leaves a state to go on from."""
    with start(undisturbed / "study", tmp_path, model) as process:
        lines_until(process, ": done", 1)
        process.terminate()
        process.communicate()
    assert process.returncode == 130
    assert not list(tmp_path.rglob(".*"))
    done = run_batch(undisturbed / "study", tmp_path, batch_on_cpu(model))
    assert masks(tmp_path) == masks(undisturbed / "out")
    assert 1 <= done.before < 8


def test_a_mask_without_its_line_is_made_again(
    undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    """If a run is killed between mask and ledger the mask does not count, whatever it holds."""
    output = tmp_path / "out"
    shutil.copytree(undisturbed / "out", output)
    ledger = next((output / FOLDER).glob("*.jsonl"))
    lines = ledger.read_bytes().splitlines(keepends=True)
    (done,) = (line for line in lines if b'"P004", "state": "done"' in line)
    ledger.write_bytes(b"".join(line for line in lines if line != done) + done[: len(done) // 2])
    mask = output / "P004" / "P004_seg.nii.gz"
    mask.write_bytes(b"half a mask")
    assert run_batch(undisturbed / "study", output, batch_on_cpu(model)).before == 7
    assert masks(output) == masks(undisturbed / "out")


# --- the worker's side --------------------------------------------------------------------


def task_of(study: Path, output: Path) -> Any:
    """The task of a study's only patient."""
    (patient,) = find_cohort(study).patients
    return workflow._task(patient, output)


def test_a_full_disk_is_everybody_s_problem(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient that meets a full disk says that the next one would, and leaves nothing."""

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_good(tmp_path / "study" / "P")
    work = open_segmenter(forced_on_cpu(model), "identity")
    monkeypatch.setattr(atomic, "_sync", full)
    failure = work(task_of(tmp_path / "study", tmp_path / "out")).failure
    assert failure is not None
    assert failure.everybody
    assert (failure.exit_code, "No space left" in failure.message) == (10, True)
    assert not (tmp_path / "out").exists()


def test_a_file_in_a_patient_s_place_is_its_own_problem(model: Path, tmp_path: Path) -> None:
    """An output that only one patient cannot write to does not stop the rest."""
    write_good(tmp_path / "study" / "P")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "P").write_text("a file")
    record = open_segmenter(forced_on_cpu(model), "identity")(
        task_of(tmp_path / "study", tmp_path / "out")
    )
    assert record.failure is not None
    assert not record.failure.everybody
    assert record.failure.exit_code == 10


def test_an_input_in_a_result_s_place_fails(model: Path, tmp_path: Path) -> None:
    """A patient whose image would be taken for a result is that patient's failure, and stays."""
    study = tmp_path / "study"
    folder = write_good(study / "P")
    (folder / "case_t1.nii.gz").rename(folder / "P_aligned_t1.nii.gz")
    before = tree(study)
    record = open_segmenter(forced_on_cpu(model), "identity")(task_of(study, study))
    assert record.failure is not None
    assert (record.failure.error, record.failure.exit_code) == ("InputReplacedError", 7)
    assert tree(study) == before


def test_a_mistake_of_ours_stays_with_its_patient(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any exception becomes a failure with exit code 1 and no word from its text."""

    def wrong(*_: Any) -> None:
        raise KeyError("DOE^JANE")

    write_good(tmp_path / "study" / "P")
    work = open_segmenter(forced_on_cpu(model), "identity")
    monkeypatch.setattr(batch_patient, "prepare_job", wrong)
    record = work(task_of(tmp_path / "study", tmp_path / "out"))
    assert record.failure is not None
    assert (record.state, record.failure.error, record.failure.exit_code) == (FAILED, "KeyError", 1)
    assert "DOE" not in record.failure.message
    assert record.key


def test_images_that_change_meanwhile_fail(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result whose inputs were replaced while it was made is not called done, nor written."""
    folder = write_good(tmp_path / "study" / "P")
    work = open_segmenter(forced_on_cpu(model), "identity")
    predict = batch_patient.look_job

    def meanwhile(*given: Any) -> Any:
        os.utime(folder / "case_t1.nii.gz", ns=(0, 0))
        return predict(*given)

    monkeypatch.setattr(batch_patient, "look_job", meanwhile)
    failure = work(task_of(tmp_path / "study", tmp_path / "out")).failure
    assert failure is not None
    assert failure.error == "InputsChangedError"
    assert not (tmp_path / "out").exists()


# --- the run's side -----------------------------------------------------------------------


def answers(monkeypatch: pytest.MonkeyPatch, *records: Record | BaseException) -> None:
    """Let workers say this."""

    def say(*_: Any, **__: Any) -> Iterator[Record]:
        for record in records:
            if isinstance(record, BaseException):
                raise record
            yield record

    monkeypatch.setattr(workflow, "run_in_workers", say)


def test_a_full_disk_stops_the_run_and_fails_nobody(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with exit code 10 and says who is left; once there is room it goes on."""
    study = write_goods(tmp_path / "study", 3)
    full = Failure.of(OutputError(Path("x"), "No space left on device"), everybody=True)
    answers(monkeypatch, Record("P000", DONE, key="k"), Record("P001", FAILED, failure=full))
    with pytest.raises(StoppedRunError, match=r"No space left.*2 patients are left") as raised:
        run_batch(study, tmp_path / "out", batch_on_cpu(model))
    assert raised.value.exit_code == 10
    states = {name: r.state for name, r in read_ledger(tmp_path / "out").records.items()}
    assert states == {"P000": "done", "P001": "pending", "P002": "pending"}
    monkeypatch.undo()
    done = run_batch(study, tmp_path / "out", batch_on_cpu(model))
    assert (done.exit_code, done.done) == (0, 3)


def test_a_ledger_that_cannot_be_written_stops_the_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told to be done whose line is not on the disk."""
    study = write_goods(tmp_path / "study", 2)
    answers(monkeypatch, Record("P000", DONE, key="k"))
    append = LedgerWriter.append

    def refuse(self: LedgerWriter, *records: Record) -> None:
        if records[0].state == DONE:
            raise OutputError(tmp_path, "Read-only file system")
        append(self, *records)

    monkeypatch.setattr(LedgerWriter, "append", refuse)
    told = []
    with pytest.raises(StoppedRunError, match=r"Read-only.*2 patients are left"):
        run_batch(study, tmp_path / "out", batch_on_cpu(model), tell=told.append)
    assert [progress.done for progress in told] == [0]


def test_a_share_that_vanishes_fails_nobody(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the study's folder is gone its patients are left, not failed."""
    study = write_goods(tmp_path / "study", 2)
    missing = Failure("UnreadableImageError", 3, "it is not there")

    def vanish(*_: Any, **__: Any) -> Iterator[Record]:
        study.rename(tmp_path / "away")
        study.mkdir()  # the bare mount point
        yield Record("P000", FAILED, failure=missing)

    monkeypatch.setattr(workflow, "run_in_workers", vanish)
    with pytest.raises(StudyGoneError, match="2 patients are left"):
        run_batch(study, tmp_path / "out", batch_on_cpu(model))
    states = {record.state for record in read_ledger(tmp_path / "out").records.values()}
    assert states == {"pending"}


def test_a_lost_lock_stops_the_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that slept and was taken for dead ends as soon as it knows."""
    study = write_goods(tmp_path / "study", 1)
    answers(monkeypatch, Record("P000", DONE, key="k"))

    @contextmanager
    def taken(*_: Any) -> Iterator[threading.Event]:
        lost = threading.Event()
        lost.set()
        yield lost

    monkeypatch.setattr(workflow, "locked", taken)
    with pytest.raises(RunGoesOnError):
        run_batch(study, tmp_path / "out", batch_on_cpu(model))


def test_a_second_ctrl_c_abandons(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever insists is told the same, and the tables tell who is left."""
    study = write_goods(tmp_path / "study", 2)
    answers(monkeypatch, Record("P000", FAILED, key="k", failure=Failure("E", 3, "no")),
            KeyboardInterrupt())  # fmt: skip
    with pytest.raises(InterruptedRunError) as raised:
        run_batch(study, tmp_path / "out", batch_on_cpu(model))
    assert raised.value.exit_code == 130
    assert raised.value.args == (1, 1)
    assert "P001,pending" in (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8")


def test_only_leftovers_of_ours_are_removed(tmp_path: Path) -> None:
    """What a killed run has left hidden goes, and what somebody else has hidden stays."""
    stage = tmp_path / "P" / ".0123456789ab"
    stage.mkdir(parents=True)
    (stage / "P_seg.nii.gz").write_bytes(b"half")
    (tmp_path / "P" / ".0123456789ab.P_report.json").write_text("half")
    (tmp_path / "P" / ".notes").write_text("mine")
    (tmp_path / "Q").mkdir()
    remove_leftovers(tmp_path, ["P", "Q", "nobody"])
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "P",
        "P/.notes",
    ]
