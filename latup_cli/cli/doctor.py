"""latup doctor."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from latup_cli.cli import console
from latup_cli.cli.options import DeviceName, EngineName, Json, ModelName, Verbose, Weights
from latup_cli.config import DEFAULT_MODEL, Device, InferenceSettings, SegmentSettings

if TYPE_CHECKING:
    from latup_cli.workflows.doctor import Examination

_COLORS = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(
    model: ModelName = DEFAULT_MODEL,
    weights: Weights = None,
    device: DeviceName = "auto",
    engine: EngineName = "auto",
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check this computer and installation, and segment the sample study.

    Exit code 0 only if segmentation works here.
    """
    with console.explained(verbose=verbose):
        inference = InferenceSettings(device=Device.parse(device), engine=engine)
        settings = SegmentSettings(model=model, weights=weights, inference=inference)
        from latup_cli.workflows.doctor import examination_json, examine

        with _progress(show=not json) as announce:
            examination = examine(settings, announce=announce)
        if json:
            typer.echo(json_module.dumps(examination_json(examination), indent=2))
        else:
            _show(examination)
    raise typer.Exit(examination.exit_code)


@contextmanager
def _progress(*, show: bool) -> Iterator[Callable[[str], None]]:
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("Checking") as status:
        yield lambda name: status.update(f"Checking: {name}")


def _show(examination: Examination) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="latup doctor", title_justify="left")
    for column in ("check", "status", "finding"):
        table.add_column(column, overflow="fold")
    for check in examination.checks:
        found = check.found
        finding = f"{found.text}\nHint: {found.hint}" if found.hint else found.text
        table.add_row(check.name, Text(found.status, _COLORS[found.status]), Text(finding))
    Console(highlight=False).print(table)
    if examination.failed:
        count = f"{len(examination.failed)} of {len(examination.checks)} checks failed"
        console.note(f"Error: {count}: {', '.join(examination.failed)}.", color="red")
    else:
        console.note("Segmentation works here.", color="green")
