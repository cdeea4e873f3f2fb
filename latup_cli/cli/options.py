"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from latup_cli import __version__


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"latup {__version__}")
        raise typer.Exit


Output: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where results go.", show_default="latup/ in the study"),
]
DeviceName: TypeAlias = Annotated[
    str, typer.Option("--device", help="Where the network runs: auto, cpu, cuda or cuda:N.")
]
EngineName: TypeAlias = Annotated[
    str, typer.Option("--engine", help="auto, onnxruntime or openvino.")
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace earlier results.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what was chosen and why; show tracebacks.")
]
ModelName: TypeAlias = Annotated[str, typer.Option("--model", help="A shipped model.")]
Weights: TypeAlias = Annotated[
    Path | None,
    typer.Option("--weights", envvar="LATUP_WEIGHTS", help="Folder of a trained model."),
]
Version: TypeAlias = Annotated[
    bool,
    typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version."),
]
