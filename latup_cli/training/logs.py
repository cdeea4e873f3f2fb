"""What a run tells while it goes on: a CSV row a step, and TensorBoard scalars."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from latup_cli.errors import OutputError
from latup_cli.imaging.atomic import write_text
from latup_cli.labels import REGIONS
from latup_cli.training.loop import FALSE_ET, Progress

Log = Callable[[Progress], None]

_MEASURED = (*REGIONS, FALSE_ET)
COLUMNS = ("step", "loss", "learning_rate", "seconds", "waited_s", *_MEASURED)
"""Of `log.csv`; Dice by region and false ET stand in the rows of steps that were validated."""


@contextmanager
def logging_to(run_dir: Path, first_step: int) -> Iterator[Log]:
    """Append to `log.csv` and to TensorBoard files in `run_dir`.

    Args:
        run_dir: The run's directory.
        first_step: Steps that the run's checkpoint holds. What a run that was killed logged after
            it is dropped, for those steps are taken again.

    Raises:
        OutputError: If `log.csv` cannot be written, from the log that is given.
    """
    path = run_dir / "log.csv"
    _drop_after(path, first_step)
    with SummaryWriter(run_dir, purge_step=first_step + 1) as board:

        def log(progress: Progress) -> None:
            _append(path, row(progress))
            _show(board, progress)

        if not path.exists():
            _append(path, COLUMNS)
        yield log


def _drop_after(path: Path, step: int) -> None:
    """Keep the header and the whole rows up to a step; a row that was cut short is none."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = [line.split(",") for line in text.split("\n")[:-1]]  # behind the last end is half a row
    header = rows[0] if rows and rows[0][0] == COLUMNS[0] else list(COLUMNS)
    kept = [row for row in rows if len(row) == len(header) and _is_up_to(step, row[0])]
    left = "".join(",".join(row) + "\n" for row in (header, *kept))
    if left != text:
        write_text(path, left)


def _is_up_to(step: int, cell: str) -> bool:
    return cell.isdecimal() and int(cell) <= step


def _append(path: Path, cells: tuple[str, ...]) -> None:
    """Write one row and let go of the file, so that a full disk is known at once."""
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(cells)
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from error


def row(progress: Progress) -> tuple[str, ...]:
    """One step in the order of `COLUMNS`."""
    measured = (progress.measured.get(name) for name in _MEASURED)
    return (
        str(progress.step),
        f"{progress.loss:.5f}",
        f"{progress.rate:.3e}",
        f"{progress.seconds:.3f}",
        f"{progress.waited_s:.3f}",
        *("" if value is None else f"{value:.4f}" for value in measured),
    )


def _show(board: SummaryWriter, progress: Progress) -> None:
    board.add_scalar("loss", progress.loss, progress.step)
    board.add_scalar("learning_rate", progress.rate, progress.step)
    for name, value in progress.measured.items():
        tag = name if name == FALSE_ET else f"Dice/{name}"
        board.add_scalar(tag, value, progress.step)
