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
                bar.update(task, validation=_dice(progress))

        yield report


def _tell_validation(progress: Progress) -> None:
    if progress.measured:
        typer.echo(f"step {progress.step}: loss {progress.loss:.3f}, {_dice(progress)}", err=True)


def _dice(progress: Progress) -> str:
    return "Dice " + " ".join(f"{region} {dice:.3f}" for region, dice in progress.measured.items())
