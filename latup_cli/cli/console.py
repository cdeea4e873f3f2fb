"""Talk to the person: results to stdout, the rest to stderr, errors without tracebacks."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import typer

from latup_cli.errors import DeviceError, ExtraMissingError, LatupError

if TYPE_CHECKING:
    from latup_cli.workflows.results import Segmented

Announce: TypeAlias = Callable[[str, float], None]
"""Name of the stage that goes on, and the share of it that is done."""

INTERRUPTED = 130

_MEMORY_HINT = "Close other programs, allow this one more memory, or use another computer."
_NO_THREAD = "can't start new thread"  # Python's words where the system refuses one
_WORDS = {
    "model": "Checking the model",
    "open": "Starting the engine",
    "read": "Reading the images",
    "register": "Registering the images",
    "strip": "Finding the brain",
    "check": "Checking the quality",
    "prepare": "Preparing the images",
    "segment": "Segmenting",
    "write": "Writing the results",
}


@contextmanager
def explained(*, verbose: bool = False) -> Iterator[None]:
    """Turn a `LatupError` into one red line, a hint, and its exit code.

    Any other exception is a mistake of ours: one line and exit code 1, the traceback only for
    those who asked for it.
    """
    try:
        yield
    except LatupError as error:
        _fail(str(error), error.hint)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        _fail("Interrupted; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
    except MemoryError:
        _fail("The memory is full.", _MEMORY_HINT)
        raise typer.Exit(DeviceError.exit_code) from None
    except BrokenPipeError:  # who reads our output has seen enough; Typer ends quietly
        raise
    except Exception as error:
        if _NO_THREAD in str(error):
            _fail("There is no memory for another thread.", _MEMORY_HINT)
            raise typer.Exit(DeviceError.exit_code) from error
        if verbose:
            traceback.print_exc()
        _fail(f"This is a mistake in latup: {type(error).__name__}.", "Run again with -v.")
        raise typer.Exit(1) from error


@contextmanager
def needs_extra(command: str, extra: str) -> Iterator[None]:
    """Say which extra to install where one of its packages is missing.

    Raises:
        ExtraMissingError: If an import fails in here that is not of our own package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("latup_cli"):
            raise
        raise ExtraMissingError(command, extra) from error


@contextmanager
def stages(*, show: bool) -> Iterator[Announce]:
    """A progress line on stderr while it is a terminal; silence otherwise."""
    if not (show and sys.stderr.isatty()):
        yield lambda _stage, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(_WORDS))
        order = list(_WORDS)

        def announce(stage: str, share: float) -> None:
            bar.update(task, description=_WORDS[stage], completed=order.index(stage) + share)

        yield announce


def show_segmented(done: Segmented, *, verbose: bool) -> None:
    """Volumes as a table, then where the files are, then what to know about them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from latup_cli.reporting.summary import SUMMARY_COLUMNS, summary_rows

    report = done.report
    table = Table(title=Text(report.study), title_justify="left")
    for column in SUMMARY_COLUMNS:
        table.add_column(column, justify="left" if column == SUMMARY_COLUMNS[0] else "right")
    for row in summary_rows(report):
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
    for path in done.files:
        typer.echo(path)
    runs_on = report.runs_on
    note(f"{report.model.name} on {runs_on.used} ({runs_on.engine}): {runs_on.reason}.")
    if verbose:
        _tell_choices(done)
    for warning in report.warnings:
        note(f"Warning: {warning}", color="yellow")
    note(report.notice)


def show_json(report_file: Path) -> None:
    """The report for programs: one document, in ASCII, which every encoding of a pipe carries."""
    typer.echo(json.dumps(json.loads(report_file.read_text(encoding="utf-8")), indent=2))


def note(text: str, *, color: str | None = None) -> None:
    """One line beside the results."""
    typer.secho(text, fg=color, err=True)


def _tell_choices(done: Segmented) -> None:
    for image in done.report.inputs:
        note(f"{image.modality}: {image.path} ({image.reason})")
    for step in done.report.steps:
        settings = ", ".join(f"{key}={value}" for key, value in step.settings.items())
        note(f"{step.name}: {settings} ({step.seconds:.2f} s)")
    windows = f"{done.report.windows} of {' x '.join(map(str, done.report.window))} voxels"
    note(f"windows: {windows}, views of each: {done.report.views}")
    for stage, seconds in done.report.stage_seconds.items():
        note(f"{_WORDS[stage].lower()}: {seconds:.2f} s")


def _fail(message: str, hint: str = "") -> None:
    note(f"Error: {message}", color="red")
    if hint:
        note(f"Hint: {hint}")
