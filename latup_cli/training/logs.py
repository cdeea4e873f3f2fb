"""What a run tells while it goes on: a CSV row a step, and TensorBoard scalars."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from latup_cli.labels import REGIONS
from latup_cli.training.loop import Progress

Log = Callable[[Progress], None]

COLUMNS = ("step", "loss", "learning_rate", "seconds", "waited_s", *REGIONS)
"""Of `log.csv`; the regions' Dice stands in the rows of steps that were validated."""


@contextmanager
def logging_to(run_dir: Path) -> Iterator[Log]:
    """Append to `log.csv` and to TensorBoard files in `run_dir`."""
    path = run_dir / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file, SummaryWriter(run_dir) as board:
        table = csv.writer(file, lineterminator="\n")
        if new:
            table.writerow(COLUMNS)

        def log(progress: Progress) -> None:
            table.writerow(row(progress))
            file.flush()
            _show(board, progress)

        yield log


def row(progress: Progress) -> tuple[str, ...]:
    """One step in the order of `COLUMNS`."""
    dice = (progress.measured.get(region) for region in REGIONS)
    return (
        str(progress.step),
        f"{progress.loss:.5f}",
        f"{progress.rate:.3e}",
        f"{progress.seconds:.3f}",
        f"{progress.waited_s:.3f}",
        *("" if value is None else f"{value:.4f}" for value in dice),
    )


def _show(board: SummaryWriter, progress: Progress) -> None:
    board.add_scalar("loss", progress.loss, progress.step)
    board.add_scalar("learning_rate", progress.rate, progress.step)
    for region, dice in progress.measured.items():
        board.add_scalar(f"Dice/{region}", dice, progress.step)
