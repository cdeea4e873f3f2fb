"""What `latup info` and `latup --version` tell, and how little they load for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from latup_cli import __version__
from latup_cli.cli.app import app
from latup_cli.domain.report import NOTICE
from latup_cli.inference import models
from latup_cli.labels import MODALITIES, SCHEMES
from latup_cli.workflows import info
from tests.fixtures.models import edited, respaced

ROOT = Path(__file__).parents[2]
LOADED = """
import runpy, sys
sys.argv = ["latup", *sys.argv[1:]]
try:
    runpy.run_module("latup_cli", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded_by(*words: str) -> tuple[str, set[str]]:
    """What a command prints in a new process, and the packages that it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout, set(done.stderr.split())


@pytest.fixture
def shipped(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models where the package keeps its own."""
    root = tmp_path / "weights"
    respaced(model, root / "latup-net", 1.0)
    edited(respaced(model, root / "latup-net-3mm", 3.0), name="latup-net-3mm")
    monkeypatch.setattr(models, "weights_root", lambda: root)
    monkeypatch.setattr(info, "weights_root", lambda: root)
    return root


@pytest.mark.usefixtures("shipped")
def test_programs_read_models_labels_and_limits() -> None:
    """With --json every shipped model is described in full, and every label has its number."""
    result = CliRunner().invoke(app, ["info", "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["latup"] == __version__
    assert told["notice"] == NOTICE
    assert [model["spacing_mm"] for model in told["models"]] == [[1.0] * 3, [3.0] * 3]
    first = told["models"][0]
    assert first["channels"] == list(MODALITIES)
    assert len(first["sha256"]) == 64
    assert first["not_for"]
    assert first["citation"]
    assert first["megabytes"] > 0
    assert told["labels"]["brats2021"]["numbers"] == {"NCR": 1, "ED": 2, "ET": 4}
    assert set(told["labels"]) == set(SCHEMES)
    assert told["regions"]["TC"] == ["ET", "NCR"]
    assert told["modalities"] == list(MODALITIES)


@pytest.mark.usefixtures("shipped")
def test_a_person_reads_the_same() -> None:
    """Models with what they are not for, labels with their numbers, and the notice."""
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    for part in ("latup-net-3mm", "not for:", "cite:", "3 x 3 x 3 mm", "4 enhancing tumor", NOTICE):
        assert part in result.stdout


def test_a_trained_model_is_described(model: Path) -> None:
    """--weights describes the model in a folder instead of the shipped ones."""
    result = CliRunner().invoke(app, ["info", "--weights", str(model), "--json"])
    (only,) = json.loads(result.stdout)["models"]
    assert only["name"] == "hand-made"
    assert only["folder"] == str(model)


def test_a_folder_without_a_model_is_code_5(tmp_path: Path) -> None:
    """A folder that holds no model is a model error, and its name is in the message."""
    result = CliRunner().invoke(app, ["info", "--weights", str(tmp_path / "none")])
    assert result.exit_code == 5
    assert "none" in result.stderr
    assert result.stdout == ""


def test_no_shipped_model_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without weights says so instead of listing nothing."""
    monkeypatch.setattr(models, "weights_root", lambda: tmp_path)
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    assert "No model came with this installation" in result.stdout


def test_info_loads_no_engine(model: Path) -> None:
    """Neither an engine nor an image or network library is loaded to describe a model."""
    said, loaded = loaded_by("info", "--weights", str(model), "--json")
    assert json.loads(said)["models"][0]["name"] == "hand-made"
    assert "latup_cli" in loaded
    heavy = {"onnxruntime", "openvino", "torch", "onnx", "SimpleITK", "nibabel", "PIL", "scipy"}
    assert heavy & loaded == set()


def test_the_version_loads_nothing() -> None:
    """--version is answered without numpy or anything heavier."""
    said, loaded = loaded_by("--version")
    assert said == f"latup {__version__}\n"
    heavy = {"numpy", "onnxruntime", "openvino", "torch", "SimpleITK", "nibabel", "rich"}
    assert heavy & loaded == set()


def test_the_shell_completes_commands() -> None:
    """Completion that was installed in bash answers with the commands that begin so."""
    environment = {
        **os.environ,
        "_LATUP_COMPLETE": "complete_bash",
        "COMP_WORDS": "latup s",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "latup_cli"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["segment", "sample"]


def test_completion_can_be_installed() -> None:
    """The option that installs completion is offered."""
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["--help"])
    assert "--install-completion" in result.stdout
    assert "--show-completion" in result.stdout
