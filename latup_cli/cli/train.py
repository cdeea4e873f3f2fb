"""latup train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latup_cli.cli.console import explained
from latup_cli.labels import label_scheme


def train(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labeled patient folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Run directory; resumes there.")],
    validation: Annotated[
        list[Path], typer.Option("--val", help="Folder of labeled patients to choose weights by.")
    ],
    config: Annotated[Path | None, typer.Option(help="Settings as TOML.")] = None,
    init: Annotated[Path | None, typer.Option(help="Source model to start from.")] = None,
    labels_in: Annotated[str, typer.Option(help="Label scheme of the seg files.")] = "brats2021",
) -> None:
    """Train the network on labeled patients and export it."""
    with explained():
        from latup_cli.training.settings import TrainSettings
        from latup_cli.workflows.train import TrainingData, train_model

        settings = TrainSettings.from_toml(config) if config else TrainSettings()
        model = train_model(
            TrainingData(folders=folders, validation=validation, scheme=label_scheme(labels_in)),
            settings,
            output,
            initial=init,
            report=lambda step: typer.echo(step, err=True) if step.measured else None,
        )
    typer.echo(model)
