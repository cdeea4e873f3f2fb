"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from latup_cli import __version__
from latup_cli.config import DEFAULT_MODEL, FAST_MODEL, SkullStrip, Space
from latup_cli.errors import FastModelError


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
PrecisionName: TypeAlias = Annotated[
    str, typer.Option("--precision", help="auto, float32, bfloat16 or int8.")
]
Threads: TypeAlias = Annotated[
    int, typer.Option("--threads", help="CPU threads; 0 for as many as are useful.")
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace earlier results.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what was chosen and why; show tracebacks.")
]
ModelName: TypeAlias = Annotated[str, typer.Option("--model", help="A shipped model.")]
AnyModelName: TypeAlias = Annotated[
    str | None, typer.Option("--model", help="A shipped model.", show_default=DEFAULT_MODEL)
]
Fast: TypeAlias = Annotated[
    bool,
    typer.Option("--fast", help=f"Less time, by a smaller model: --model {FAST_MODEL}."),
]
Tta: TypeAlias = Annotated[
    bool,
    typer.Option("--tta", help="Average 8 mirrored views of each window; takes 8 times as long."),
]
LowMemory: TypeAlias = Annotated[
    bool,
    typer.Option("--low-memory", help="Look in the model's smallest window; gives another result."),
]
Weights: TypeAlias = Annotated[
    Path | None,
    typer.Option("--weights", envvar="LATUP_WEIGHTS", help="Folder of a trained model."),
]
Labels: TypeAlias = Annotated[
    str, typer.Option("--labels", help="Numbers in the mask: brats2021 or brats2023.")
]
Register: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--register/--no-register",
        help="Move the modalities onto the T1ce.",
        show_default="if they lie on different grids",
    ),
]
SkullStripping: TypeAlias = Annotated[
    SkullStrip, typer.Option("--skull-strip", help="Who removes the skull, if there is one.")
]
BrainMask: TypeAlias = Annotated[
    Path | None,
    typer.Option("--brain-mask", help="The brain on the grid of the T1ce; wins over all else."),
]
BiasField: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--n4", help="Remove the bias field (N4), for models whose normalization does not."
    ),
]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Go on where a quality check refuses.")
]
MaskSpace: TypeAlias = Annotated[
    Space, typer.Option("--space", help="Grid of the mask: the T1ce's, or the common one.")
]
Preview: TypeAlias = Annotated[bool, typer.Option("--preview", help="Draw the result as a PNG.")]
SaveProbabilities: TypeAlias = Annotated[
    bool, typer.Option("--save-probabilities", help="Write the probability of each region.")
]
KeepIntermediates: TypeAlias = Annotated[
    bool, typer.Option("--keep-intermediates", help="Write the aligned images and the brain mask.")
]
DicomSeg: TypeAlias = Annotated[
    bool, typer.Option("--dicom-seg", help="Write a DICOM Segmentation too.")
]
Version: TypeAlias = Annotated[
    bool,
    typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version."),
]


def chosen_model_name(model: str | None, weights: Path | None, *, fast: bool) -> str:
    """The shipped model that `--model` and `--fast` mean together.

    Raises:
        FastModelError: If `--fast` stands beside other weights or another model.
    """
    if not fast:
        return DEFAULT_MODEL if model is None else model
    if weights is not None:
        raise FastModelError("--weights")
    if model not in (None, FAST_MODEL):
        raise FastModelError(f"--model {model}")
    return FAST_MODEL
