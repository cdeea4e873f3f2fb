"""What a person reads while patients are prepared and a network is trained."""

from __future__ import annotations

import io
import sys
import time

import pytest

from latup_cli.cli import progress
from latup_cli.training.loop import Progress
from latup_cli.workflows.train_data import Preparing


class Terminal(io.StringIO):
    """Takes what would be drawn."""

    def isatty(self) -> bool:
        """It says that it is one."""
        return True


def step(number: int, measured: dict[str, float] | None = None) -> Progress:
    """A step's news."""
    return Progress(number, 0.25, 1e-3, 1.0, 0.1, measured or {})


def test_lines_close_each_stage_and_each_validation(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal a log gets few lines, and stdout none."""
    with progress.training(2, show=True) as news:
        for done in (1, 2, 3):
            news.prepared(Preparing("check", done, 3))
        news.stepped(step(1))
        news.stepped(step(2, {"WT": 0.9}))
    out, err = capsys.readouterr()
    assert err.splitlines() == ["Checking patients: 3 of 3", "step 2: loss 0.250, WT 0.900"]
    assert out == ""


def test_a_long_stage_gets_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 25 s a patient, every third of them is told, and the last."""
    seconds = iter(range(0, 1000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    with progress.training(2, show=True) as news:
        for done in range(1, 9):
            news.prepared(Preparing("prepare", done, 8))
    told = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert told == ["3 of 8", "6 of 8", "8 of 8"]


def test_a_terminal_gets_a_bar_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each from when it begins, and the last validation stays in view."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with progress.training(9, show=True) as news:
        news.prepared(Preparing("prepare", 4, 4))
        news.stepped(step(7, {"WT": 0.9}))
        news.stepped(step(8))
    drawn = terminal.getvalue()
    for words in ("Preparing patients", "4/4", "Training", "8/9", "loss 0.250  WT 0.900"):
        assert words in drawn
    assert "Checking" not in drawn


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even of a validation."""
    with progress.training(1, show=False) as news:
        news.prepared(Preparing("prepare", 1, 1))
        news.stepped(step(1, {"WT": 0.9}))
    assert capsys.readouterr() == ("", "")
