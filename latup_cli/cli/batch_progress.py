"""Tell how far a study is: a bar with the time left on a terminal, a line per patient elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from latup_cli.domain.cohort import Record
    from latup_cli.workflows.batch import Progress

Tell: TypeAlias = "Callable[[Progress], None]"


@contextmanager
def study(*, show: bool) -> Iterator[Tell]:
    """Progress over a study, on stderr."""
    if not show:
        yield lambda _progress: None
        return
    if not sys.stderr.isatty():
        yield _tell_line
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        task = bar.add_task("", total=None, failed="")
        yield lambda progress: _move(bar, task, progress)


def line(record: Record) -> str:
    """A patient's end in one line."""
    if record.failure is not None:
        failure = record.failure
        return f"{record.name}: failed ({failure.exit_code}): {failure.message}"
    row = record.row
    return f"{record.name}: done, WT {row['WT_ml']:.1f} mL, {row['seconds']:.1f} s, {row['device']}"


def _tell_line(progress: Progress) -> None:
    """Who has just ended; at the beginning, how many there are."""
    if progress.note:
        typer.echo(progress.note, err=True)
    elif progress.record is not None:
        ended = progress.done + progress.failed
        typer.echo(f"[{ended}/{progress.total}] {line(progress.record)}", err=True)
    else:
        before = f", {progress.before} of them seen to before" if progress.before else ""
        typer.echo(f"{progress.total} patients{before}.", err=True)


def _move(bar: Bar, task: TaskID, progress: Progress) -> None:
    """Only what this run does counts for the time that is left."""
    failed = f"{progress.failed} failed" if progress.failed else ""
    total = progress.total - progress.before
    ended = progress.done + progress.failed - progress.before
    bar.update(task, total=total, completed=max(0, ended), failed=failed)
    if progress.note:
        bar.console.print(progress.note, markup=False)
    elif progress.record is not None and progress.record.failure is not None:
        bar.console.print(line(progress.record), style="red", markup=False)
