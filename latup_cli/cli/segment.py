"""latup segment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latup_cli.cli import console
from latup_cli.cli.options import (
    AnyModelName,
    BiasField,
    BrainMask,
    DeviceName,
    DicomSeg,
    EngineName,
    Fast,
    Force,
    Json,
    KeepIntermediates,
    Labels,
    LowMemory,
    MaskSpace,
    Output,
    Overwrite,
    PrecisionName,
    Preview,
    Quiet,
    Register,
    SaveProbabilities,
    SkullStripping,
    Threads,
    Tta,
    Verbose,
    Weights,
    chosen_model_name,
)
from latup_cli.config import (
    DEFAULT_LABELS,
    Device,
    InferenceSettings,
    PreparationSettings,
    SegmentSettings,
    SkullStrip,
    Space,
)
from latup_cli.inference.threads import limit_libraries


def segment(
    study: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with T1, T1ce, T2 and FLAIR, or one 4-D file.", metavar="PATIENT_DIR"
        ),
    ] = None,
    output: Output = None,
    t1: Annotated[
        Path | None,
        typer.Option("--t1", "--t1n", "--t1w", help="The T1."),
    ] = None,
    t1ce: Annotated[
        Path | None,
        typer.Option("--t1ce", "--t1c", "--t1gd", help="The T1 with contrast."),
    ] = None,
    t2: Annotated[Path | None, typer.Option("--t2", "--t2w", help="The T2.")] = None,
    flair: Annotated[
        Path | None,
        typer.Option("--flair", "--fla", "--t2f", help="The FLAIR."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option("--channels", help="Order in a 4-D file, such as flair,t1,t1ce,t2."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The study's name in outputs.", show_default="the folder's"),
    ] = None,
    labels: Labels = DEFAULT_LABELS,
    register: Register = None,
    skull_strip: SkullStripping = SkullStrip.AUTO,
    brain_mask: BrainMask = None,
    n4: BiasField = False,
    force: Force = False,
    space: MaskSpace = Space.NATIVE,
    preview: Preview = False,
    save_probabilities: SaveProbabilities = False,
    keep_intermediates: KeepIntermediates = False,
    dicom_seg: DicomSeg = False,
    overwrite: Overwrite = False,
    model: AnyModelName = None,
    fast: Fast = False,
    weights: Weights = None,
    tta: Tta = False,
    low_memory: LowMemory = False,
    device: DeviceName = "auto",
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Segment one patient's tumor and measure it.

    Writes a mask in BraTS labels, on the grid of the T1ce, and a report.
    """
    files = {"t1": t1, "t1ce": t1ce, "t2": t2, "flair": flair}
    named = {modality: path for modality, path in files.items() if path is not None}
    if study is None and not named:
        raise typer.BadParameter("Give a folder, or the four files.", param_hint="PATIENT_DIR")
    with console.explained(verbose=verbose):
        settings = SegmentSettings(
            model=chosen_model_name(model, weights, fast=fast),
            weights=weights,
            labels=labels,
            preparation=PreparationSettings(
                register=register,
                skull_strip=skull_strip,
                brain_mask=brain_mask,
                n4=n4,
                force=force,
            ),
            inference=InferenceSettings(
                device=Device.parse(device), engine=engine, precision=precision, threads=threads
            ),
            tta=tta,
            low_memory=low_memory,
            space=space,
            channels=channels,
            preview=preview,
            save_probabilities=save_probabilities,
            keep_intermediates=keep_intermediates,
            dicom_seg=dicom_seg,
            overwrite=overwrite,
        )
        limit_libraries(threads)  # before they are imported
        from latup_cli.workflows.segment import segment_study

        with console.stages(show=not (quiet or json)) as announce:
            done = segment_study(study, output, settings, named=named, name=name, announce=announce)
        if json:
            console.show_json(done.report_file)
        elif not quiet:
            console.show_segmented(done, verbose=verbose)
