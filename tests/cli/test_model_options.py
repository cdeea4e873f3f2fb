"""Options that choose a model and how it looks, as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from latup_cli.cli.app import app
from latup_cli.config import FAST_MODEL
from latup_cli.inference import models
from tests.fixtures.models import edited
from tests.fixtures.phantoms import tree

ON_CPU = ("--device", "cpu", "--engine", "onnxruntime", "--force")
WINDOWS = [{"shape": shape, "overlap": 0.5, "dice": {}} for shape in ([32, 40, 32], [16, 24, 16])]


@pytest.fixture
def shipped(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models that holds the fast one, and `latup-net` under another name."""
    root = tmp_path / "weights"
    for name in ("latup-net", FAST_MODEL):
        edited(Path(shutil.copytree(model, root / name)), name=name)
    monkeypatch.setattr(models, "weights_root", lambda: root)
    return root


def run(command: str, study: Path, *options: str) -> Result:
    """The command in this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [command, str(study), *ON_CPU, *options])


def test_fast_is_a_shipped_model(study: Path, shipped: Path) -> None:
    """With --fast the fast model answers, also if it is named; without it, the usual one."""
    for options, expected in (
        (("--fast",), FAST_MODEL),
        (("--fast", "--model", FAST_MODEL), FAST_MODEL),
        ((), "latup-net"),
    ):
        result = run("segment", study, *options, "--overwrite", "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["model"]["name"] == expected
    shutil.rmtree(shipped / FAST_MODEL)
    missing = run("segment", study, "--fast", "--overwrite")
    assert missing.exit_code == 5
    error, hint = missing.stderr.splitlines()
    assert error == "Error: There is no shipped model 'latup-net-fast'."
    assert hint == "Hint: Shipped models: latup-net. A trained one: --weights DIR."


@pytest.mark.parametrize("command", ["segment", "batch"])
@pytest.mark.parametrize(
    ("other", "named"),
    [
        (("--weights", "here"), "--weights"),
        (("--model", "latup-net"), "--model latup-net"),
        (("--model", "another"), "--model another"),
    ],
)
def test_fast_stands_alone(command: str, other: tuple[str, ...], named: str, study: Path) -> None:
    """--fast beside weights or another model, the usual one too, is a usage error: exit 2."""
    before = tree(study)
    result = run(command, study, "--fast", *other)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == f"Error: --fast and {named} name two models."
    assert tree(study) == before


def test_fast_does_not_overrule_the_environment(
    study: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that the environment names are weights: --fast is refused, and the hint says why."""
    monkeypatch.setenv("LATUP_WEIGHTS", str(model))
    result = run("segment", study, "--fast")
    assert result.exit_code == 2
    assert "LATUP_WEIGHTS" in result.stderr


def test_views_and_windows_are_told(study: Path, model: Path, tmp_path: Path) -> None:
    """--tta and --low-memory reach the network, stand in the report, and -v tells both."""
    own = edited(Path(shutil.copytree(model, tmp_path / "own")), windows=WINDOWS)
    result = run("segment", study, "--weights", str(own), "--tta", "--low-memory", "-v")
    assert result.exit_code == 0, result.stderr
    assert "of 16 x 24 x 16 voxels, views of each: 8" in result.stderr
    assert "Warning: A smaller window of 16 x 24 x 16 was used (--low-memory)" in result.stderr
    report = json.loads((study / "latup" / "LATUP-001_report.json").read_text(encoding="utf-8"))
    assert (report["runs_on"]["views"], report["runs_on"]["window"]) == (8, [16, 24, 16])


def test_other_views_are_other_results_of_a_study(study: Path, model: Path, tmp_path: Path) -> None:
    """A batch of other views or windows does not go on where another stood: exit 7."""
    own = edited(Path(shutil.copytree(model, tmp_path / "own")), windows=WINDOWS)
    folder = tmp_path / "cohort"
    shutil.copytree(study, folder / study.name)
    words = ("--weights", str(own), "-o", str(tmp_path / "out"))
    assert run("batch", folder, *words).exit_code == 0
    page = (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    assert "Windows seen mirrored too" in page
    for option in ("--tta", "--low-memory"):
        assert run("batch", folder, *words, option).exit_code == 7
    assert run("batch", folder, *words, "--tta", "--overwrite").exit_code == 0
