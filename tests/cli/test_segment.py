"""What a person and a program read after `latup segment`."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from latup_cli.cli import console
from latup_cli.cli.app import app
from latup_cli.config import Device
from latup_cli.domain.segmentation import RunsOn
from latup_cli.workflows import results
from latup_cli.workflows import segment as workflow
from latup_cli.workflows.engines import Opened
from tests.fixtures.phantoms import tree

ON_CPU = ("--device", "cpu", "--engine", "onnxruntime", "--force")
GOLDEN = Path(__file__).parent.parent / "golden"


def run(study: Path, model: Path, *options: str) -> Result:
    """The command in this process."""
    words = ["segment", str(study), "--weights", str(model), *ON_CPU, *options]
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, words)


def masked(report: Any, *, key: str = "") -> Any:
    """A report without what differs between machines, versions and moments."""
    if key in {"created", "sha256", "engine", "system", "architecture", "threads"}:
        return f"<{key}>"
    if key == "quality":
        return sorted({finding["check"] for finding in report})
    if key == "software":
        return sorted(name.removesuffix("-gpu") for name in report)
    if isinstance(report, dict):
        return {name: masked(value, key=name) for name, value in report.items()}
    if isinstance(report, list):
        return [masked(value) for value in report]
    return f"<{key}>" if isinstance(report, float) and "second" in key else report


def without_seconds(report: Any) -> Any:
    """The same, and without how long stages took."""
    return {**masked(report), "seconds": sorted(report["seconds"])}


def test_a_person_reads_volumes_files_and_device(study: Path, model: Path) -> None:
    """Table and files on stdout; device with its reason, warnings and the notice on stderr."""
    result = run(study, model, "-o", str(study / "out"))
    assert result.exit_code == 0
    table = (GOLDEN / "table.txt").read_text(encoding="utf-8")
    files = [study / "out" / f"LATUP-001_{e}" for e in ("report.csv", "report.json", "seg.nii.gz")]
    assert plain(result.stdout) == [*plain(table), *map(str, files)]
    device, warning, *forced, notice = result.stderr.splitlines()
    assert re.fullmatch(r"hand-made on cpu \(onnxruntime [\d.]+\): the CPU was asked for\.", device)
    assert warning.startswith("Warning: The brain measures only 22 mL")
    assert "Warning: The brain has 22 mL. (forced)" in forced
    assert notice.startswith("Not a medical device.")


def plain(text: str) -> list[str]:
    """Lines with any box drawn as blanks, so that letters and figures are compared."""
    lines = (re.sub(r"[^\w\s.,%()/:-]|[-]{3,}", " ", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


def test_the_report_keeps_its_form(study: Path, model: Path) -> None:
    """Every field of the JSON report is where programs look for it, with the known volumes."""
    report = json.loads(run(study, model, "--json").stdout)
    expected = json.loads((GOLDEN / "report.json").read_text(encoding="utf-8"))
    assert without_seconds(report) == expected


def test_json_is_one_document(study: Path, model: Path) -> None:
    """With --json, stdout is one JSON document, the one in the file, and stderr is empty."""
    folder = study.rename(study.with_name("患者 ö"))
    result = run(folder, model, "--json")
    assert result.exit_code == 0
    report = folder / "latup" / "患者 ö_report.json"
    assert json.loads(result.stdout) == json.loads(report.read_text(encoding="utf-8"))
    assert result.stdout.isascii()
    assert result.stderr == ""


def test_quiet_means_quiet(study: Path, model: Path) -> None:
    """With -q nothing is printed when all goes well, and the files are there."""
    result = run(study, model, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (study / "latup" / "LATUP-001_seg.nii.gz").is_file()


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_a_terminal_shows_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage that a report knows has its words in the progress line, which goes away."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    report = json.loads((GOLDEN / "report.json").read_text(encoding="utf-8"))
    with console.stages(show=True) as announce:
        for stage in report["seconds"]:
            announce(stage, 0.5)
            time.sleep(0.15)  # the line is drawn ten times a second
    shown = sys.stderr.getvalue()
    assert all(words in shown for words in ("Preparing the images", "Writing the results"))
    assert shown.endswith("\x1b[2K")


def test_errors_are_not_quiet(study: Path, model: Path) -> None:
    """With -q an error is still told."""
    (study / "case_t2.nii.gz").unlink()
    result = run(study, model, "-q")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: ")


def test_verbose_gives_every_reason(study: Path, model: Path) -> None:
    """With -v each file's choice, each step with its settings and each stage is told on stderr."""
    result = run(study, model, "-v")
    for modality in ("t1", "t1ce", "t2", "flair"):
        assert f"{modality}: case_{modality}.nii.gz (name contains '{modality}'" in result.stderr
    assert re.search(
        r"^resample: spacing_mm=.*2\.0.* \(\d+\.\d\d s\)$", result.stderr, re.MULTILINE
    )
    assert re.search(r"^segmenting: \d+\.\d\d s$", result.stderr, re.MULTILINE)
    assert "whole tumor (WT)" in result.stdout


def test_weights_may_come_from_the_environment(
    study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LATUP_WEIGHTS names a model where --weights does not."""
    monkeypatch.setenv("LATUP_WEIGHTS", str(model))
    result = CliRunner().invoke(app, ["segment", str(study), *ON_CPU, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"]["name"] == "hand-made"


@pytest.mark.parametrize("name", ["case [bold] x", "case [", "Fall [green]7", "%s {0}"])
def test_a_study_s_name_is_no_markup(name: str, study: Path, model: Path) -> None:
    """Brackets and signs in a folder's name are shown as they are."""
    folder = study.rename(study.with_name(name))
    result = run(folder, model)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].strip() == name


def test_auto_says_why_the_cpu(study: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --device auto, one line says that the CPU is used and why."""
    open_engine = workflow.open_engine

    def without_gpu(model: Any, settings: Any) -> Opened:
        assert settings.device == Device("auto")
        opened = open_engine(model, type(settings)(device=Device("cpu"), engine=settings.engine))
        used = opened.runs_on
        reason = "there is no NVIDIA driver"
        runs_on = RunsOn("auto", "cpu", used.engine, used.provider, used.precision, reason)
        return Opened(opened.predict, runs_on)

    monkeypatch.setattr(workflow, "open_engine", without_gpu)
    result = run(study, model, "--device", "auto")
    (line,) = (line for line in result.stderr.splitlines() if "cpu" in line.casefold())
    assert line.endswith("there is no NVIDIA driver.")


# --- in a real process --------------------------------------------------------------------


def process(
    study: Path, model: Path, *options: str, **environment: str
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a real run."""
    words = [sys.executable, "-m", "latup_cli", "segment", str(study), "--weights", str(model)]
    done = subprocess.run(
        [*words, *ON_CPU, *options],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_any_terminal_will_do(encoding: str, study: Path, model: Path) -> None:
    """A terminal that lacks a letter, or boxes, gets something else instead of a crash."""
    folder = study.rename(study.with_name("Jürgen 患者"))
    code, stdout, stderr = process(folder, model, "-v", PYTHONIOENCODING=encoding)
    assert code == 0, stderr
    text = stdout.decode(encoding)
    assert "whole tumor (WT)" in text
    assert ("患者" in text) == (encoding == "utf-8")
    assert "Jürgen" in text


def test_json_passes_any_pipe(study: Path, model: Path) -> None:
    """A program that reads a pipe in an old encoding still gets every letter."""
    folder = study.rename(study.with_name("Jürgen 患者"))
    code, stdout, _ = process(folder, model, "--json", PYTHONIOENCODING="cp1252")
    assert code == 0
    assert json.loads(stdout)["study"] == "Jürgen 患者"


# --- what goes wrong inside --------------------------------------------------------------------


def interrupted(*_: object, **__: object) -> None:
    """The person presses Ctrl-C."""
    raise KeyboardInterrupt


def broken(*_: object, **__: object) -> None:
    """A mistake of ours, with a patient's name in a local variable."""
    patient = "Jane Doe"
    raise ZeroDivisionError(f"{len(patient)} by zero")


@pytest.mark.parametrize(
    ("module", "stage"),
    [(workflow, "load_study"), (workflow, "look_job"), (results, "write_csv_report")],
)
def test_an_interrupt_leaves_nothing(
    module: ModuleType, stage: str, study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at any stage: exit 130, one line, no file."""
    before = tree(study)
    monkeypatch.setattr(module, stage, interrupted)
    result = run(study, model)
    assert result.exit_code == 130
    assert result.stderr == "Error: Interrupted; nothing was written.\n"
    assert result.stdout == ""
    assert tree(study) == before


@pytest.mark.parametrize(
    ("module", "stage"), [(workflow, "make_ready"), (results, "write_csv_report")]
)
def test_a_mistake_of_ours_is_one_line(
    module: ModuleType, stage: str, study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception: exit 1, its kind, how to see more, no traceback, no file."""
    before = tree(study)
    monkeypatch.setattr(module, stage, broken)
    result = run(study, model)
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert error == "Error: This is a mistake in latup: ZeroDivisionError."
    assert "-v" in hint
    assert result.stdout == ""
    assert tree(study) == before


def test_the_traceback_is_for_those_who_ask(
    study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -v the traceback is printed, without the values of local variables."""
    monkeypatch.setattr(workflow, "make_ready", broken)
    result = run(study, model, "-v")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "ZeroDivisionError: 8 by zero" in result.stderr
    assert "Jane Doe" not in result.stderr.replace('patient = "Jane Doe"', "")
    assert str(study) not in result.stderr


def test_a_mistake_while_printing_is_one_line_too(
    study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback either when the results are already written."""
    monkeypatch.setattr("latup_cli.reporting.summary.summary_rows", broken)
    result = run(study, model)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith("Error: This is a mistake in latup")


def test_a_reader_who_leaves_early_is_no_mistake(study: Path, model: Path) -> None:
    """A closed pipe (`latup segment ... | head`) gives no message of ours."""
    words = [sys.executable, "-m", "latup_cli", "segment", str(study), "--weights", str(model)]
    with subprocess.Popen(
        [*words, *ON_CPU, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
    assert b"mistake" not in said
    assert b"Traceback" not in said
    assert (study / "latup" / "LATUP-001_seg.nii.gz").is_file()
