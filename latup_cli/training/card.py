"""The card of a trained model: what a reader needs to judge it, and the curves of its training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from matplotlib.figure import Figure

from latup_cli.imaging.atomic import replacing, write_text
from latup_cli.labels import REGIONS
from latup_cli.training.export import NOT_FOR
from latup_cli.training.settings import TrainSettings

Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""A header and rows of text."""

_SMOOTHED_OVER = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What only the workflow knows.

    Attributes:
        settings: The run's settings.
        parameters: Learned numbers of the network.
        sha256: Of the ONNX graph.
        trained_on: Names of the studies.
        validated_on: Names of the studies that weights were chosen by.
        steps: Optimizer steps done.
        hours: Training time.
        machine: What it was trained on.
        means: Mean figures over the validation cases.
        cases: The figures of each validation case.
        remark: What the ET figures are over.
    """

    settings: TrainSettings
    parameters: int
    sha256: str
    trained_on: Sequence[str]
    validated_on: Sequence[str]
    steps: int
    hours: float
    machine: str
    means: Table
    cases: Table
    remark: str


def write_card(directory: Path, facts: CardFacts, log: Path) -> None:
    """Write `card.md`, `train.toml`, `log.csv` and `curves.png` beside a model.

    Args:
        directory: The model's.
        facts: What the card says.
        log: The run's `log.csv`.

    Raises:
        OutputError: If they cannot be written.
    """
    write_text(directory / "card.md", card_text(facts))
    write_text(directory / "train.toml", facts.settings.to_toml())
    write_text(directory / "log.csv", log.read_text(encoding="utf-8"))
    with replacing(directory / "curves.png") as beside:
        beside.write_bytes(draw_curves(log))


def card_text(facts: CardFacts) -> str:
    """The card in Markdown."""
    settings = facts.settings
    limits = "\n".join(f"- {limit}" for limit in NOT_FOR)
    window = " x ".join(str(size) for size in settings.validation_window)
    return f"""# {settings.name}, version {settings.version}

LATUP-Net with {facts.parameters:,} parameters at {settings.spacing_mm:g} mm, in windows of
{window} voxels.
ONNX sha256 `{facts.sha256}`.

Not a medical device. For research use only; every result needs review by a qualified reader.

## Training

{settings.trained_on or "Labeled patients of the group that trained it."}
{len(facts.trained_on)} studies; weights chosen by {len(facts.validated_on)} others, which were
never trained on. {facts.steps:,} steps in {facts.hours:.1f} hours on {facts.machine}.
Settings: `train.toml`. Every step: `log.csv`.

![curves](curves.png)

## Measured on the {len(facts.validated_on)} studies that weights were chosen by

These figures choose between checkpoints, so on other patients expect somewhat less.

{_markdown(facts.means)}

{facts.remark}

{_markdown(facts.cases)}

## Not for

{limits}

## Studies

Trained on: {", ".join(facts.trained_on)}.

Chosen by: {", ".join(facts.validated_on)}.
"""


def draw_curves(log: Path) -> bytes:
    """Loss, smoothed over 50 steps, and validation Dice over the steps, as PNG."""
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss_axes, dice_axes = figure.subplots(1, 2)
    losses = [float(row["loss"]) for row in rows]
    steps = [int(row["step"]) for row in rows]
    loss_axes.plot(steps, _smoothed(losses))
    loss_axes.set(xlabel="step", ylabel="training loss")
    for region in REGIONS:
        measured = [(int(row["step"]), float(row[region])) for row in rows if row[region]]
        dice_axes.plot(*zip(*measured, strict=True), marker=".", label=region) if measured else None
    dice_axes.set(xlabel="step", ylabel="mean validation Dice", ylim=(0, 1))
    if dice_axes.lines:
        dice_axes.legend()
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()


def _smoothed(values: Sequence[float]) -> list[float]:
    """Mean of each value and up to 49 before it."""
    windows = (values[max(0, end - _SMOOTHED_OVER) : end] for end in range(1, len(values) + 1))
    return [sum(window) / len(window) for window in windows]


def _markdown(table: Table) -> str:
    header, rows = table
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines
    )
