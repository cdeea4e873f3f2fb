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


ROWS = [
    "1,0.50000,1.000e-03,2.000,0.100,,,,\n",
    "2,0.40000,1.000e-03,2.000,0.100,0.9,0.8,0.7,0.2\n",
]


@pytest.mark.parametrize("cut", range(1, len(ROWS[1])))
def test_a_row_that_was_cut_short_is_dropped(cut: int, tmp_path: Path) -> None:
    """What a killed run wrote of a row, be it one figure, is never glued to the next one."""
    header = ",".join(COLUMNS) + "\n"
    (tmp_path / "log.csv").write_text(header + ROWS[0] + ROWS[1][:cut], encoding="utf-8")
    with logging_to(tmp_path, 6) as log:
        log(Progress(7, 0.25, 1e-3, 2.0, 0.1, {}))
    written = (tmp_path / "log.csv").read_text(encoding="utf-8")
    assert written == header + ROWS[0] + "7,0.25000,1.000e-03,2.000,0.100,,,,\n"


@pytest.mark.parametrize("left", ["", "ste", "step,loss\x00", "1,0.5\n"])
def test_a_log_without_its_header_begins_anew(left: str, tmp_path: Path) -> None:
    """A run that was killed with its first line goes on all the same."""
    (tmp_path / "log.csv").write_text(left, encoding="utf-8")
    with logging_to(tmp_path, 1) as log:
        log(Progress(2, 0.25, 1e-3, 2.0, 0.1, {}))
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2"]


def test_a_whole_log_is_left_alone(tmp_path: Path) -> None:
    """Going on where a run ended rewrites nothing."""
    with logging_to(tmp_path, 0) as log:
        log(Progress(1, 0.5, 1e-3, 2.0, 0.1, {}))
    before = (tmp_path / "log.csv").stat()
    with logging_to(tmp_path, 1):
        pass
    after = (tmp_path / "log.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    """The log's error is an output error with exit code 10, not a mistake of ours."""
    with logging_to(tmp_path, 0) as log:
        (tmp_path / "log.csv").unlink()
        (tmp_path / "log.csv").symlink_to("/dev/full")
        with pytest.raises(OutputError) as caught:
            log(Progress(1, 0.5, 1e-3, 2.0, 0.1, {}))
    assert caught.value.exit_code == 10
