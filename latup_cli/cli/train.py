"""latup train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latup_cli.cli import console, progress
from latup_cli.cli.options import DeviceName, Quiet, Verbose
from latup_cli.config import AUTO, Device, weights_root

if TYPE_CHECKING:
    from latup_cli.training.settings import TrainSettings

_TRAIN = "train"


def train(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of patient folders, each with a segmentation.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Run directory; an earlier run there goes on.")
    ],
    validation: Annotated[
        list[Path] | None,
        typer.Option("--val", help="Folder of patients to choose weights by."),
    ] = None,
    held_out: Annotated[
        float, typer.Option("--val-share", help="Without --val: share of patients to hold out.")
    ] = 0.2,
    folds: Annotated[int, typer.Option("--folds", help="Cross-validate with so many folds.")] = 0,
    fold: Annotated[int, typer.Option("--fold", help="Which fold to hold out, from 0.")] = 0,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Settings as TOML.",
            show_default="those of the run in -o, if it was begun",
        ),
    ] = None,
    attention: Annotated[
        str | None,
        typer.Option("--attention", help="se, none, eca, se-conv, channel, spatial or cbam."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option("--init", help="Start from a shipped model, a model.pt or a checkpoint."),
    ] = None,
    appearances: Annotated[
        Path | None,
        typer.Option(help="How other tumors look (.npz), for paint_probability; adds to ours."),
    ] = None,
    shapes: Annotated[
        Path | None,
        typer.Option(help="Shapes of other tumors (.npz), for simulate_probability."),
    ] = None,
    lesions: Annotated[
        Path | None,
        typer.Option(help="Lesions of other patients (.npz), for lesion_probability."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A shipped model or a model's folder, for teacher_share."),
    ] = None,
    labels_in: Annotated[
        str, typer.Option("--labels-in", help="Label scheme of the segmentations.")
    ] = AUTO,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Where prepared patients are kept.", show_default="in -o"),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", help="Stop after so many hours; resumable.")
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Check every patient, and do not train.")
    ] = False,
    device: DeviceName = AUTO,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train the network on labeled patients and export it for latup segment."""
    with console.explained(verbose=verbose), console.needs_extra("latup train", _TRAIN):
        from latup_cli.workflows.train import check_data, train_model
        from latup_cli.workflows.train_data import TrainingData
        from latup_cli.workflows.train_request import TrainRequest

        settings = _settings(config, output, attention, quiet=quiet)
        data = TrainingData(
            folders=folders,
            validation=validation or (),
            held_out=held_out,
            folds=folds,
            fold=fold,
            labels=labels_in,
        )
        request = TrainRequest(
            data=data,
            settings=settings,
            run_dir=output,
            cache=cache,
            initial=_shipped(init, "model.pt"),
            appearances=appearances,
            shapes=shapes,
            lesions=lesions,
            teacher=_shipped(teacher),
            device=Device.parse(device),
            hours=time_limit,
        )
        if check_only:
            with progress.training(settings.steps, show=not quiet) as news:
                split = check_data(request, prepared=news.prepared)
            typer.echo(
                f"{len(split.training)} patients to train on and {len(split.validation)} to "
                f"choose weights by, labels in {split.scheme.name}: all can be used."
            )
            return
        with progress.training(settings.steps, show=not quiet) as news:
            trained = train_model(request, prepared=news.prepared, report=news.stepped)
    typer.echo(trained.model)
    if not trained.finished:
        console.note(f"Stopped at step {trained.steps} of {settings.steps}; run again to go on.")


def _settings(
    config: Path | None, output: Path, attention: str | None, *, quiet: bool
) -> TrainSettings:
    """Those of the file, else of the run that goes on, else the defaults; options change them."""
    from latup_cli.training.processes import is_first
    from latup_cli.training.settings import TrainSettings
    from latup_cli.workflows.train_request import settings_of_run

    own = settings_of_run(output) if config is None else None
    source = config or own
    settings = TrainSettings.from_toml(source) if source else TrainSettings()
    if own and is_first() and not quiet:
        console.note(f"There is no --config: the run goes on with the settings in {own}.")
    return settings.with_attention(attention) if attention else settings


def _shipped(name: str | None, file: str = "") -> Path | None:
    """A shipped model's folder, or a file in it, by its name; else what is there."""
    if name is None:
        return None
    shipped = weights_root() / name
    return shipped / file if (shipped / file).exists() else Path(name)
