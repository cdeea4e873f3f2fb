"""latup evaluate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latup_cli.cli import console
from latup_cli.cli.options import Json, Overwrite, Quiet, Verbose
from latup_cli.config import AUTO, EvaluateSettings, LesionChallenge

_WIDEST = 1000

if TYPE_CHECKING:
    from latup_cli.evaluation.summary import Evaluation


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="A mask, or a folder of masks or of patient folders.")
    ],
    references: Annotated[Path, typer.Argument(help="The experts' masks, in the same way.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write tables (CSV, JSON) and pictures (PNG) there."),
    ] = None,
    rule: Annotated[
        LesionChallenge,
        typer.Option("--rule", help="What one lesion is: as in glioma or in metastases."),
    ] = LesionChallenge.GLI,
    labels_predictions: Annotated[
        str, typer.Option(help="Numbers in the predictions: auto, brats2021, brats2023, ...")
    ] = AUTO,
    labels_references: Annotated[str, typer.Option(help="Numbers in the references.")] = AUTO,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out references without a prediction.")
    ] = False,
    cases: Annotated[bool, typer.Option("--cases", help="Show every case, too.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare masks with references: Dice, HD95, volumes, lesions, confusion of tissues.

    Files are paired by patient: ID/ID_seg.nii.gz, ID/latup/ID_seg.nii.gz, ID_seg.nii.gz,
    ID.nii.gz.
    """
    with console.explained(verbose=verbose), _progress(show=not (quiet or json)) as announce:
        settings = EvaluateSettings(
            rule=rule,
            labels_predictions=labels_predictions,
            labels_references=labels_references,
            skip_missing=skip_missing,
            overwrite=overwrite,
        )
        from latup_cli.workflows.evaluate import evaluate_segmentations

        done = evaluate_segmentations(predictions, references, output, settings, announce=announce)
    if json:
        from latup_cli.evaluation.files import json_text

        typer.echo(json_text(done.evaluation), nl=False)
    elif not quiet:
        _show(done.evaluation, cases=cases)
        for path in done.files:
            typer.echo(path)
    _tell(done.evaluation, quiet=quiet)


@contextmanager
def _progress(*, show: bool) -> Iterator[Callable[[str, float], None]]:
    """A progress line on stderr while it is a terminal; silence otherwise."""
    if not (show and sys.stderr.isatty()):
        yield lambda _case, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    # what stands in brackets in a case's name is no markup
    name = TextColumn("{task.description:<28}", markup=False)
    columns = (name, BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda case, share: bar.update(task, description=case, completed=share)


def _show(evaluation: Evaluation, *, cases: bool) -> None:
    """Figures over all cases, those of every case if asked for, and the confusion of tissues."""
    from latup_cli.evaluation import tables

    summary = evaluation.summary
    headings = tuple(tables.HEADINGS.values())
    if cases:
        _print_table("Cases", ("case", "region", *headings), tables.case_rows(evaluation.cases))
    title = "1 case" if summary.cases == 1 else f"{summary.cases} cases"
    _print_table(title, ("region", "", *headings), tables.summary_rows(summary))
    typer.echo(tables.enhancing_text(summary.enhancing) + "\n")
    _print_table(
        "Voxels: reference in rows, prediction in columns",
        tables.CONFUSION_COLUMNS,
        tables.confusion_rows(summary.confusion),
    )


def _print_table(title: str, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column, heading in enumerate(header):
        table.add_column(heading, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # brackets in a case's name are no markup
    # a narrow terminal or a file may wrap lines, but no figure is cut short
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(highlight=False, width=needed).print(table)


def _tell(evaluation: Evaluation, *, quiet: bool) -> None:
    """Who was left out, always; what else to know, unless it is to be quiet."""
    for missing, what in (
        (evaluation.without_prediction, "have no prediction and were left out"),
        (evaluation.without_reference, "have no reference and were left out"),
    ):
        if missing:
            console.note(f"Warning: {len(missing)} {what}: {', '.join(missing)}.", color="yellow")
    if not quiet:
        ours = ", ".join(evaluation.labels_predictions)
        theirs = ", ".join(evaluation.labels_references)
        console.note(f"Labels: predictions {ours}; references {theirs}.")
        console.note(f"Lesion-wise rule: {evaluation.challenge}.")
