"""latup sample."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from latup_cli.cli import console


def sample(
    folder: Annotated[Path, typer.Argument(help="Where to put it.", metavar="DIR")],
) -> None:
    """Write out the sample study, a made-up patient with a known answer, to try things on."""
    with console.explained():
        from latup_cli.workflows.sample import write_sample

        study = write_sample(folder)
        typer.echo(study)
        console.note(f"Try: latup segment {_quoted(study)} --preview")


def _quoted(path: Path) -> str:
    """A path as one word of a command line."""
    return f'"{path}"' if sys.platform == "win32" else shlex.quote(str(path))
