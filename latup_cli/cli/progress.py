"""Progress bars for training, and plain lines now and then where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from latup_cli.training.loop import Progress
    from latup_cli.workflows.train_data import Preparing

_WORDS = {"check": "Checking patients", "prepare": "Preparing patients"}
_TRAINING = "Training"
_SECONDS_BETWEEN_LINES = 60.0


@dataclass(frozen=True, slots=True)
class News:
    """Where a run's news go.

    Attributes:
        prepared: To be called after every patient before the first step.
        stepped: To be called after every step.
    """

    prepared: Callable[[Preparing], None]
    stepped: Callable[[Progress], None]


@contextmanager
def training(steps: int, *, show: bool) -> Iterator[News]:
    """Patients prepared, steps done, time left, the loss, and the last validation, on stderr."""
    if not show:
        yield News(lambda _preparing: None, lambda _progress: None)
        return
    if not sys.stderr.isatty():
        yield News(_Lines(time.monotonic()).prepared, _tell_validation)
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description:<18}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
        rich_progress.TextColumn("{task.fields[said]}"),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as bars:
        drawn = _Drawn(bars, steps)
        yield News(drawn.prepared, drawn.stepped)


@dataclass(slots=True)
class _Drawn:
    """A bar for each stage, from when it begins."""

    bars: Bars
    steps: int
    tasks: dict[str, TaskID] = field(default_factory=dict)
    validation: str = ""

    def prepared(self, preparing: Preparing) -> None:
        self._update(_WORDS[preparing.stage], preparing.done, preparing.total)

    def stepped(self, progress: Progress) -> None:
        if progress.measured:
            self.validation = _told(progress)
        said = f"loss {progress.loss:.3f}  {self.validation}"
        self._update(_TRAINING, progress.step, self.steps, said)

    def _update(self, stage: str, done: int, total: int, said: str = "") -> None:
        if stage not in self.tasks:
            # a run that goes on begins where it stopped, and its time left is told from there
            first = max(done - 1, 0)
            self.tasks[stage] = self.bars.add_task(stage, total=total, completed=first, said="")
        self.bars.update(self.tasks[stage], completed=done, said=said)


@dataclass(slots=True)
class _Lines:
    """A line at the end of each stage, and one a minute where it takes longer.

    Attributes:
        last: Moment of the last line, or of the beginning, in seconds.
    """

    last: float

    def prepared(self, preparing: Preparing) -> None:
        now = time.monotonic()
        if preparing.done < preparing.total and now - self.last < _SECONDS_BETWEEN_LINES:
            return
        self.last = now
        words = _WORDS[preparing.stage]
        typer.echo(f"{words}: {preparing.done} of {preparing.total}", err=True)


def _tell_validation(progress: Progress) -> None:
    if progress.measured:
        typer.echo(f"step {progress.step}: loss {progress.loss:.3f}, {_told(progress)}", err=True)


def _told(progress: Progress) -> str:
    """Such as "WT 0.880 TC 0.770 ET 0.800 false ET mL 0.250": Dice, and a volume by its unit."""
    return " ".join(f"{name} {value:.3f}" for name, value in progress.measured.items())
