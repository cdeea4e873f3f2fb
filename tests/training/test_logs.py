"""The log tells every step, and TensorBoard can show it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from latup_cli.errors import OutputError
from latup_cli.training.logs import COLUMNS, logging_to
from latup_cli.training.loop import FALSE_ET, Progress


def test_every_step_is_a_row_and_sessions_follow_each_other(tmp_path: Path) -> None:
    """A second session goes on below the first one's rows, under one header."""
    plain = Progress(1, 0.5, 1e-3, 2.0, 0.1, {})
    validated = Progress(2, 0.25, 2e-3, 3.0, 0.2, {"WT": 0.9, "TC": 0.8, "ET": 0.7, FALSE_ET: 0.2})
    for progress in (plain, validated):
        with logging_to(tmp_path, progress.step - 1) as log:
            log(progress)
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["step"], row["WT"]) for row in rows] == [("1", ""), ("2", "0.9000")]
    assert [row["loss"] for row in rows] == ["0.50000", "0.25000"]
    assert [row[FALSE_ET] for row in rows] == ["", "0.2000"]
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_steps_after_the_checkpoint_are_logged_once(tmp_path: Path) -> None:
    """What a killed run logged after its checkpoint gives way to the steps that are taken again."""
    with logging_to(tmp_path, 0) as log:
        for step in range(1, 6):
            log(Progress(step, 1.0, 1e-3, 2.0, 0.1, {}))
    with logging_to(tmp_path, 3) as log:
        log(Progress(4, 0.5, 1e-3, 2.0, 0.1, {}))
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[-1]["loss"] == "0.50000"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    """The log's error is an output error with exit code 10, not a mistake of ours."""
    with logging_to(tmp_path, 0) as log:
        (tmp_path / "log.csv").unlink()
        (tmp_path / "log.csv").symlink_to("/dev/full")
        with pytest.raises(OutputError) as caught:
            log(Progress(1, 0.5, 1e-3, 2.0, 0.1, {}))
    assert caught.value.exit_code == 10
