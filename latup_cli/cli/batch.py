"""latup batch."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latup_cli.cli import batch_progress, console
from latup_cli.cli.options import (
    AnyModelName,
    BiasField,
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
    BatchSettings,
    Device,
    InferenceSettings,
    PreparationSettings,
    SegmentSettings,
    SkullStrip,
    Space,
)
from latup_cli.errors import OutputExistsError

if TYPE_CHECKING:
    from latup_cli.domain.cohort import Cohort, Patient
    from latup_cli.workflows.batch import BatchDone
    from latup_cli.workflows.batch_status import Status


def batch(
    study: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with patients at any depth, or a CSV or TSV table of them.",
            metavar="STUDY",
        ),
    ] = None,
    output: Output = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List who is found and why, and do nothing.")
    ] = False,
    status: Annotated[
        Path | None,
        typer.Option("--status", help="Tell where the run in this output folder stands."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Worker processes.")] = 1,
    num_parts: Annotated[
        int, typer.Option("--num-parts", help="Split the study into so many parts.")
    ] = 1,
    part_id: Annotated[int, typer.Option("--part-id", help="Which part to do, from 0.")] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="A Dask cluster: tcp://HOST:PORT or its scheduler file."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again who failed before.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do everybody anew; replace earlier results.")
    ] = False,
    channels: Annotated[
        str | None,
        typer.Option("--channels", help="Order in 4-D files, such as flair,t1,t1ce,t2."),
    ] = None,
    labels: Labels = DEFAULT_LABELS,
    register: Register = None,
    skull_strip: SkullStripping = SkullStrip.AUTO,
    n4: BiasField = False,
    force: Force = False,
    space: MaskSpace = Space.NATIVE,
    preview: Preview = False,
    save_probabilities: SaveProbabilities = False,
    keep_intermediates: KeepIntermediates = False,
    dicom_seg: DicomSeg = False,
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
    """Segment every patient of a study; a run that was stopped goes on where it stood.

    Exit code 0 if all are done, 8 if some failed, 9 if all failed; failures.csv says why.
    """
    if (study is None) == (status is None):
        raise typer.BadParameter("Give a study, or --status and a folder.", param_hint="STUDY")
    exit_code = 0
    with console.explained(verbose=verbose):
        if status is not None:
            _tell_status(status, json=json)
            return
        settings = BatchSettings(
            segment=SegmentSettings(
                model=chosen_model_name(model, weights, fast=fast),
                weights=weights,
                labels=labels,
                preparation=PreparationSettings(
                    register=register, skull_strip=skull_strip, n4=n4, force=force
                ),
                inference=InferenceSettings(
                    device=Device.parse(device),
                    engine=engine,
                    precision=precision,
                    threads=threads,
                ),
                tta=tta,
                low_memory=low_memory,
                space=space,
                channels=channels,
                preview=preview,
                save_probabilities=save_probabilities,
                keep_intermediates=keep_intermediates,
                dicom_seg=dicom_seg,
            ),
            jobs=jobs,
            num_parts=num_parts,
            part_id=part_id,
            retry_failed=retry_failed,
            overwrite=overwrite,
            scheduler=scheduler,
        )
        if study is not None and dry_run:
            _list(study, settings, json=json)
        elif study is not None:
            exit_code = _run(study, output, settings, json=json, quiet=quiet)
    raise typer.Exit(exit_code)


def _run(
    study: Path, output: Path | None, settings: BatchSettings, *, json: bool, quiet: bool
) -> int:
    with console.needs_extra("latup batch --scheduler", "cluster"):
        from latup_cli.workflows.batch import run_batch

        with batch_progress.study(show=not (quiet or json)) as tell:
            done = run_batch(study, output, settings, tell=tell)
    if json:
        console.show_json(next(path for path in done.files if path.suffix == ".json"))
    elif not quiet:
        _tell_done(done)
    return done.exit_code


def _tell_done(done: BatchDone) -> None:
    for path in done.files:
        typer.echo(path)
    for folder in done.cohort.passed_over:
        console.note(f"Passed over {folder.place}: {folder.reason}.")
    before = f" ({done.before} of them before)" if done.before else ""
    console.note(f"{done.done} done, {len(done.failed)} failed{before}.")
    if done.failed:
        codes = {record.failure.exit_code for record in done.failed if record.failure}
        again = (
            " To try them again: --retry-failed." if codes - {OutputExistsError.exit_code} else ""
        )
        console.note(f"Why, and what to do: failures.csv.{again}", color="yellow")


def _list(study: Path, settings: BatchSettings, *, json: bool) -> None:
    from latup_cli.cohort.plan import part_of
    from latup_cli.workflows.batch_intake import cohort_json, find_cohort

    cohort = find_cohort(study, settings.segment.channels)
    patients = part_of(cohort.patients, settings.num_parts, settings.part_id)
    if json:
        typer.echo(json_module.dumps(cohort_json(cohort, patients), indent=2))
    else:
        _show_found(cohort, patients)


def _show_found(cohort: Cohort, patients: tuple[Patient, ...]) -> None:
    """A table of everybody, then what was passed over."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from latup_cli.workflows.batch_intake import reasons

    table = Table(title_justify="left", show_lines=True)
    for column in ("patient", "place", "ready", "why"):
        table.add_column(column, overflow="fold")
    for patient in patients:
        ready = Text("no", "red") if patient.problem else Text("yes", "green")
        why = "\n".join(reasons(patient))
        table.add_row(Text(patient.name), Text(patient.shown), ready, Text(why))
    Console(highlight=False).print(table)
    for folder in cohort.passed_over:
        typer.echo(f"Passed over {folder.place}: {folder.reason}.")
    bad = sum(patient.problem is not None for patient in patients)
    console.note(f"{len(patients)} patients, {bad} of them not ready. Nothing was done.")


def _tell_status(output: Path, *, json: bool) -> None:
    from latup_cli.domain.cohort import DONE, FAILED, PENDING
    from latup_cli.workflows.batch_status import batch_status, status_json

    found: Status = batch_status(output)
    if json:
        typer.echo(json_module.dumps(status_json(found), indent=2))
        return
    counts = [len(found.of_state(state)) for state in (DONE, FAILED, PENDING)]
    typer.echo("{} done, {} failed, {} left.".format(*counts))
    for holder in found.running:
        typer.echo(f"At work: {holder}.")
    if not found.running:
        typer.echo(f"Nobody is at work; last change {found.changed:%Y-%m-%d %H:%M:%S} UTC.")
    for record in found.of_state(FAILED):
        typer.echo(batch_progress.line(record))
