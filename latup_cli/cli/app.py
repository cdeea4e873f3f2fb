"""The `latup` command: a table of contents."""

from __future__ import annotations

import typer

from latup_cli.cli.batch import batch
from latup_cli.cli.doctor import doctor
from latup_cli.cli.evaluate import evaluate
from latup_cli.cli.info import info
from latup_cli.cli.options import Version
from latup_cli.cli.sample import sample
from latup_cli.cli.segment import segment
from latup_cli.cli.train import train

app = typer.Typer(
    help="Segment brain tumors from four-modality MRI.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def main(version: Version = False) -> None:
    """Segment brain tumors from four-modality MRI."""


for command in (segment, batch, evaluate, train, sample, info, doctor):
    app.command()(command)
