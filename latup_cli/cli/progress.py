"""A progress bar for training, and a plain line per validation where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import typer

if TYPE_CHECKING:
    from latup_cli.training.loop import Progress

Report: TypeAlias = "Callable[[Progress], None]"


@contextmanager
def training(steps: int, *, show: bool) -> Iterator[Report]:
    """Steps done, time left, the loss, and the last validation, on stderr."""
    if not show:
        yield lambda _progress: None
        return
    if not sys.stderr.isatty():
        yield _tell_validation
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
        rich_progress.TextColumn("loss {task.fields[loss]:.3f}  {task.fields[validation]}"),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=steps, loss=float("nan"), validation="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, loss=progress.loss)
            if progress.measured:
                bar.update(task, validation=_told(progress))

        yield report


def _tell_validation(progress: Progress) -> None:
    if progress.measured:
        typer.echo(f"step {progress.step}: loss {progress.loss:.3f}, {_told(progress)}", err=True)


def _told(progress: Progress) -> str:
    """Such as "WT 0.880 TC 0.770 ET 0.800 false ET mL 0.250": Dice, and a volume by its unit."""
    return " ".join(f"{name} {value:.3f}" for name, value in progress.measured.items())
