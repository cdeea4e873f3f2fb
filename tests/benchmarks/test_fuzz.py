"""The fuzz script finds what it looks for, repeats it, and finds nothing in us."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import typer

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

CRASH = "import os, sys\nfor line in sys.stdin: os.abort()\n"
SLEEP = "import sys, time\nfor line in sys.stdin: time.sleep(600)\n"


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("fuzz")


@pytest.fixture
def worker(fuzz: ModuleType) -> ModuleType:
    """The script's other half, which runs one case."""
    return importlib.import_module("fuzz_worker")


def test_fifteen_damaged_studies(tmp_path: Path) -> None:
    """Each is segmented or refused as it should be, and the table adds up."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "fuzz.py", "--count", "15", "--seed", "7", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["count"] == 15
    assert report["violations"] == []
    assert sum(report["exit_codes"].values()) == 15
    assert set(report["exit_codes"]) <= {"0", "3", "4"}
    assert len(report["exit_codes"]) > 1
    assert list(tmp_path.iterdir()) == []


def test_a_case_can_be_repeated(worker: ModuleType, tmp_path: Path) -> None:
    """Seed and index give the same bytes, and another index other ones."""
    studies = []
    for number, index in enumerate((5, 5, 6)):
        folder, damages, stored = worker.prepare(tmp_path / str(number), 3, index)
        names = tuple(damage.name for damage in damages)
        studies.append((worker.tree(folder), names, stored))
    assert studies[0] == studies[1] != studies[2]


def raises(_study: Path, _output: Path) -> None:
    raise ZeroDivisionError


def ends_otherwise(_study: Path, _output: Path) -> None:
    raise typer.Exit(1)


def says_who(study: Path, _output: Path) -> None:
    typer.echo(f"Error: {study} is odd.", err=True)
    typer.echo("Hint: none.", err=True)
    raise typer.Exit(3)


def says_nothing(_study: Path, _output: Path) -> None:
    raise typer.Exit(3)


def leaves_a_file(_study: Path, output: Path) -> None:
    output.mkdir()
    (output / "half").write_bytes(b"x")
    typer.echo("Error: x.", err=True)
    typer.echo("Hint: x.", err=True)
    raise typer.Exit(3)


def changes_an_input(study: Path, _output: Path) -> None:
    (study / "note").write_bytes(b"x")
    for path in study.glob("case*"):
        path.unlink()
    typer.echo("Error: x.", err=True)
    typer.echo("Hint: x.", err=True)
    raise typer.Exit(3)


def writes_nothing(_study: Path, _output: Path) -> None:
    """Exit 0 without a result."""


def prints_a_traceback(_study: Path, _output: Path) -> None:
    typer.echo("Traceback (most recent call last):", err=True)


@pytest.mark.parametrize(
    ("behave", "violation"),
    [
        (raises, "raised ZeroDivisionError"),
        (ends_otherwise, "exit code 1"),
        (says_who, "said JANE"),
        (says_nothing, "said ''"),
        (leaves_a_file, "left out/half"),
        (changes_an_input, "changed ROE^JANE 19610412/case"),
        (writes_nothing, "wrote []"),
        (prints_a_traceback, "printed a traceback"),
    ],
)
def test_every_violation_is_seen(
    behave: Callable[[Path, Path], None],
    violation: str,
    worker: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that misbehaves in one way is found to do so."""
    bad = typer.Typer()

    @bad.command()
    def segment(
        study: Path,
        output: Annotated[Path, typer.Option("-o")],
        weights: Path | None = None,
        device: str = "",
        engine: str = "",
        channels: str = "",
    ) -> None:
        behave(study, output)

    @bad.command()
    def other() -> None:
        """Two commands make `segment` a subcommand."""

    monkeypatch.setattr(worker, "app", bad)
    case = worker.run(0, 0, Path("model"))
    assert any(found.startswith(violation) for found in case.violations), case


@pytest.mark.parametrize(
    ("script", "violation"), [(CRASH, "crashed with status -6"), (SLEEP, "did not end in 1 s")]
)
def test_crashes_and_endless_cases_are_seen(
    script: str,
    violation: str,
    fuzz: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that dies or does not answer is one violation, and the next case runs."""
    (tmp_path / "worker.py").write_text(script, encoding="utf-8")
    monkeypatch.setattr(fuzz, "WORKER", tmp_path / "worker.py")
    monkeypatch.setattr(fuzz, "CASE_SECONDS", 1.0 if script is SLEEP else 60.0)
    cases = list(fuzz.run_cases(0, 2, None, tmp_path))
    assert [case.index for case in cases] == [0, 1]
    assert [case.violations for case in cases] == [(violation,)] * 2
    assert len(fuzz.summary(cases, 0, 1.0)["violations"]) == 2


def test_the_time_is_kept(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No case begins after the bound."""
    (tmp_path / "worker.py").write_text(SLEEP, encoding="utf-8")
    monkeypatch.setattr(fuzz, "WORKER", tmp_path / "worker.py")
    assert list(fuzz.run_cases(0, 1000, 0.0, tmp_path)) == []
