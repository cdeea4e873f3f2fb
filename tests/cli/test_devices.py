"""Where the network runs is said in one line, in a real process with the real libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from latup_cli.inference.cuda_driver import find_driver

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(find_driver() is not None, reason="this computer may have CUDA")

RUN = """
import sys
from latup_cli.inference.choose import Driver
from latup_cli.workflows import engines
engines.find_driver = lambda: Driver((99, 0), ("GPU",))
from latup_cli.cli.app import app
sys.argv = ["latup", *sys.argv[1:]]
app()
"""


def run(study: Path, model: Path, device: str) -> subprocess.CompletedProcess[str]:
    """Segment on a computer that has a driver, and nothing else that CUDA needs."""
    words = ["segment", str(study), "--weights", str(model), "--force", "--device", device]
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_auto_falls_back_aloud(study: Path, model: Path) -> None:
    """The CPU is used, one line says so and why, and no line is a library's own."""
    done = run(study, model, "auto")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "cuda" in line.casefold()]
    assert len(told) == 1
    assert told[0].startswith("hand-made on cpu (")
    assert "onnxruntime:Default" not in done.stdout + done.stderr
    starts = ("hand-made on cpu", "Warning: ", "Not a medical device")
    assert [line for line in done.stderr.splitlines() if not line.startswith(starts)] == []
    assert "EP Error" not in done.stdout


def test_cuda_is_an_order(study: Path, model: Path) -> None:
    """CUDA that cannot be had is exit code 6: one line with the reason, one with a hint."""
    done = run(study, model, "cuda")
    assert done.returncode == 6
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert "cuda" in error
    assert error.startswith("Error: ")
    assert hint == "Hint: Use --device auto to fall back to the CPU, or run latup doctor."
    assert not (study / "latup").exists()
