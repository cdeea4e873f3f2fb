"""What a person and a program read after `latup batch`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from latup_cli.cli import batch_progress
from latup_cli.cli.app import app
from latup_cli.domain.cohort import DONE, FAILED, Failure, Record
from latup_cli.workflows.batch import Progress
from tests.cli.test_segment import Terminal
from tests.fixtures.cohorts import write_good, write_goods

ON_CPU = ("--device", "cpu", "--engine", "onnxruntime", "--force")
RESULT = Record("P1", DONE, row={"WT_ml": 12.34, "seconds": 5.67, "device": "cpu"})
REFUSAL = Record("P2", FAILED, failure=Failure("InputError", 3, "It lacks T1.", "Add it."))


def run(*words: object) -> Result:
    """The command in this process; its workers are processes of their own."""
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["batch", *map(str, words)])


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """The folder of a study of two, one of them bad, and the words that were typed."""
    root = tmp_path_factory.mktemp("batch")
    write_goods(root / "study", 1)
    bad = write_good(root / "study" / "P001")
    (bad / "case_t2.nii.gz").write_bytes(b"")
    (root / "study" / "nothing").mkdir()
    words = [root / "study", "-o", root / "out", "--weights", model, *ON_CPU]
    first = run(*words)
    assert first.exit_code == 8, first.output
    lines = first.stderr.splitlines()
    assert lines[0] == "2 patients."
    told = sorted(line.partition("] ")[2] for line in lines[1:3])
    assert told[0].startswith("P000: done, WT ")
    assert told[1] == "P001: failed (3): case_t2.nii.gz cannot be read: it is empty."
    assert [line.partition("]")[0] for line in lines[1:3]] == ["[1/2", "[2/2"]
    return root, words


def test_the_second_time_is_told_too(finished: tuple[Path, list[object]]) -> None:
    """Files on stdout, counts and what was passed over on stderr, and the same exit code."""
    root, words = finished
    again = run(*words)
    assert again.exit_code == 8
    names = ("summary.csv", "summary.json", "failures.csv", "summary.html")
    assert again.stdout.splitlines() == [str(root / "out" / name) for name in names]
    assert again.stderr.splitlines() == [
        "2 patients, 2 of them seen to before.",
        "Passed over nothing: no images.",
        "1 done, 1 failed (2 of them before).",
        "Why, and what to do: failures.csv. To try them again: --retry-failed.",
    ]


def test_no_word_of_trying_again_where_that_would_not_help(model: Path, tmp_path: Path) -> None:
    """A mask that was there before stays refused, however often the run is repeated."""
    write_goods(tmp_path / "study", 1)
    there = tmp_path / "out" / "P000" / "P000_seg.nii.gz"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    said = run(tmp_path / "study", "-o", tmp_path / "out", "--weights", model, *ON_CPU)
    assert said.exit_code == 9
    assert said.stderr.splitlines()[-1] == "Why, and what to do: failures.csv."


def test_json_is_the_summary(finished: tuple[Path, list[object]]) -> None:
    """With --json stdout is summary.json, and stderr is empty."""
    root, words = finished
    said = run(*words, "--json")
    assert json.loads(said.stdout) == json.loads((root / "out" / "summary.json").read_text())
    assert (said.exit_code, said.stderr) == (8, "")


def test_quiet_is_silent(finished: tuple[Path, list[object]]) -> None:
    """With -q only the exit code speaks."""
    said = run(*finished[1], "-q")
    assert (said.exit_code, said.stdout, said.stderr) == (8, "", "")


def test_status(finished: tuple[Path, list[object]]) -> None:
    """Counts, who is at work, and why somebody failed; as JSON too."""
    root, _ = finished
    said = run("--status", root / "out")
    assert said.exit_code == 0
    counts, nobody, failed = said.stdout.splitlines()
    assert counts == "1 done, 1 failed, 0 left."
    assert nobody.startswith("Nobody is at work; last change 20")
    assert failed.startswith("P001: failed (3)")
    content = json.loads(run("--status", root / "out", "--json").stdout)
    assert content["counts"] == {"done": 1, "failed": 1, "pending": 0}


def test_a_dry_run_lists_and_does_nothing(finished: tuple[Path, list[object]]) -> None:
    """Everybody with each file's reason, what is missing, and what was passed over."""
    root, _ = finished
    (root / "other" / "P9").mkdir(parents=True)
    (root / "other" / "P9" / "x_t1.nii.gz").touch()
    (root / "other" / "empty").mkdir()
    said = run(root / "other", "--dry-run")
    assert said.exit_code == 0
    assert "P9 lacks t1ce, t2, flair; found t1 (x_t1.nii.gz)." in " ".join(
        line.strip("│| ").rpartition("│")[2].strip() for line in said.stdout.splitlines()
    )
    assert "Passed over empty: no images." in said.stdout
    assert said.stderr.splitlines() == ["1 patients, 1 of them not ready. Nothing was done."]
    assert sorted(path.name for path in (root / "other").iterdir()) == ["P9", "empty"]


def test_a_dry_run_for_programs(finished: tuple[Path, list[object]]) -> None:
    """With --json each patient has a reason per modality, or the problem and its exit code."""
    root, _ = finished
    content = json.loads(run(root / "study", "--dry-run", "--json").stdout)
    good, bad = content["patients"]
    assert (good["patient"], good["ready"], good["exit_code"]) == ("P000", True, 0)
    assert good["why"][0].startswith("t1: case_t1.nii.gz (name contains 't1'")
    assert bad["ready"]  # that a file is empty is seen when it is read
    assert content["passed_over"] == [{"place": "nothing", "reason": "no images"}]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["study", "--status", "out"],
        ["study", "--jobs", "0"],
        ["study", "--num-parts", "2", "--part-id", "2"],
    ],
)
def test_usage(words: list[str]) -> None:
    """A study or a status, and parts that make sense; everything else is exit code 2."""
    assert run(*words).exit_code == 2


def test_errors_have_their_code_and_hint(tmp_path: Path) -> None:
    """What stops a run before it begins is one line and a hint."""
    said = run(tmp_path)
    assert said.exit_code == 3
    assert [line.partition(":")[0] for line in said.stderr.splitlines()] == ["Error", "Hint"]
    assert run("--status", tmp_path).exit_code == 3


def test_without_dask_the_install_line_is_told(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--scheduler without the extra is exit code 11 and says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "latup_cli.workflows.batch_dask", raising=False)
    write_goods(tmp_path / "study", 1)
    words = [tmp_path / "study", "--weights", model, *ON_CPU, "--scheduler", "tcp://x:1"]
    said = run(*words)
    assert said.exit_code == 11
    assert 'pip install "latup[cluster]"' in said.stderr


def test_a_terminal_shows_a_bar_and_who_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the study is a bar with the time left; only failures get a line."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with batch_progress.study(show=True) as tell:
        tell(Progress(total=4, done=1, before=1))
        tell(Progress(total=4, done=2, before=1, record=RESULT))
        tell(Progress(total=4, done=2, failed=1, before=1, record=REFUSAL))
        tell(Progress(total=4, done=2, failed=1, before=1, note="Finishing."))
    shown = sys.stderr.getvalue()
    assert "2/3" in shown
    assert "1 failed" in shown
    assert "P2: failed (3): It lacks T1." in shown
    assert "Finishing." in shown
    assert "P1: done" not in shown


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere everybody gets a line, and so does what else is to know."""
    with batch_progress.study(show=True) as tell:
        tell(Progress(total=4, done=1, before=1))
        tell(Progress(total=4, done=2, before=1, record=RESULT))
        tell(Progress(total=4, done=2, before=1, note="Finishing."))
    assert capsys.readouterr().err.splitlines() == [
        "4 patients, 1 of them seen to before.",
        "[2/4] P1: done, WT 12.3 mL, 5.7 s, cpu",
        "Finishing.",
    ]
