"""What IT reads after `latup doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from latup_cli.cli.app import app
from latup_cli.workflows import engines
from latup_cli.workflows import sample as sample_workflow
from latup_cli.workflows.checks import CHECKS
from tests.fixtures.phantoms import phantom, save, write_study


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample study with its answer, where the package keeps its own."""
    root = tmp_path / "data"
    folder = root / "brats-like" / sample_workflow.SAMPLE
    made = phantom()
    write_study(folder, made.volumes(), prefix="LATUP-SAMPLE-001_")
    save(folder / "LATUP-SAMPLE-001_seg.nii.gz", made.answer, made.grid.ras_from_voxel)
    monkeypatch.setattr(sample_workflow, "sample_root", lambda: root)
    return folder


def run(model: Path, *options: str) -> Result:
    """The command in this process."""
    words = ["doctor", "--weights", str(model), "--engine", "onnxruntime", *options]
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, words)


@pytest.mark.usefixtures("sample")
def test_one_page_says_that_it_works(model: Path) -> None:
    """A table of every check on stdout, one closing line on stderr, and exit code 0."""
    result = run(model, "--device", "cpu")
    assert result.exit_code == 0, result.output
    for name in CHECKS:
        assert name in result.stdout
    assert "known answer" in result.stdout
    assert "failed" not in result.stdout
    assert result.stderr == "Segmentation works here.\n"
    assert len(result.stdout.splitlines()) < 60


def test_the_failed_checks_are_named(model: Path, tmp_path: Path) -> None:
    """A failure is a line of the page with its hint, and the closing line names it."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{}", encoding="utf-8")
    result = run(tmp_path / "broken", "--device", "cpu")
    assert result.exit_code == 5
    assert "Hint: " in result.stdout
    assert result.stderr == "Error: 4 of 11 checks failed: model, device, precision, sample.\n"
    assert "Traceback" not in result.output


def test_a_gpu_that_was_ordered_and_is_not_there_is_code_6(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--device cuda` asks whether CUDA works; brackets of the install line are not lost."""
    monkeypatch.setattr(engines, "find_driver", lambda: None)
    result = run(model, "--device", "cuda")
    assert result.exit_code == 6
    assert "there is no NVIDIA driver" in result.stdout
    assert "latup[cuda]" in result.stdout


@pytest.mark.usefixtures("sample")
def test_programs_read_json(model: Path) -> None:
    """With --json stdout is one JSON document and stderr is empty."""
    result = run(model, "--device", "cpu", "--json")
    assert result.exit_code == 0
    page = json.loads(result.stdout)
    assert page["works"] is True
    assert [check["name"] for check in page["checks"]] == list(CHECKS)
    assert result.stderr == ""


@pytest.mark.parametrize("options", [("--device", "gpu"), ("--engine", "torch")])
def test_a_wrong_word_is_a_usage_error(model: Path, options: tuple[str, str]) -> None:
    """A device or engine that does not exist is exit code 2, before anything is examined."""
    result = run(model, *options)
    assert result.exit_code == 2
    assert f"'{options[1]}'" in result.stderr
    assert result.stdout == ""
