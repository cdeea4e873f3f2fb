"""latup info."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING

import typer

from latup_cli.cli import console
from latup_cli.cli.options import Json, Weights

if TYPE_CHECKING:
    from latup_cli.domain.model import ModelSpec
    from latup_cli.workflows.info import Info, KnownModel


def info(weights: Weights = None, json: Json = False) -> None:
    """Describe the models, the labels, the limits, and what to cite. Loads no engine."""
    with console.explained():
        from latup_cli.workflows.info import collect_info, info_json

        known = collect_info(weights)
        if json:
            typer.echo(json_module.dumps(info_json(known), indent=2))
        else:
            typer.echo("\n".join(_lines(known, str(info_json(known)["notice"]))))


def _lines(known: Info, notice: str) -> list[str]:
    lines = [line for model in known.models for line in _model(model)]
    if not lines:
        lines = ["No model came with this installation; train one, and name it with --weights."]
    lines += ["", "Labels in a mask:"]
    for scheme in known.schemes.values():
        numbers = ", ".join(f"{number} {name}" for number, name in scheme.names.items())
        lines.append(f"  {scheme.name}: {numbers}")
    return [*lines, "", notice]


def _model(model: KnownModel) -> list[str]:
    spec, smallest = model.spec, model.spec.smallest_window
    facts = {
        "weights": f"{spec.parameters:,} parameters, {model.megabytes:.1f} MB, {model.folder}",
        "sha256": spec.sha256,
        "input": f"{', '.join(spec.channels)}; {_times(spec.spacing_mm)} mm, {spec.axis_order}",
        "window": f"{_times(spec.window)} voxels",
        "with --low-memory": f"{_times(smallest.shape)} voxels" if smallest else "",
        "smallest ET": ", ".join(f"{ml:g} mL" for ml in spec.smallest_ml.values()),
        "smallest island": f"{spec.smallest_island_ml:g} mL" if spec.smallest_island_ml else "",
        "core without ET": (
            f"at least {spec.least_core_share:.0%} of the tumor" if spec.least_core_share else ""
        ),
        "doubted below": ", ".join(
            f"{name} {least:g}" for name, least in spec.least_certainty.items()
        ),
        "classes": ", ".join(spec.classes),
        "trained on": spec.trained_on or "not stated",
        "measured": _measured(spec),
        "license": spec.license,
        "cite": spec.citation,
    }
    described = [f"  {name}: {fact}" for name, fact in facts.items() if fact]
    limits = [f"    - {limit}" for limit in spec.not_for]
    return [f"{spec.name} {spec.version}", *described, "  not for:", *limits]


def _times(sizes: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)


def _measured(spec: ModelSpec) -> str:
    return ", ".join(f"{name} {value}" for name, value in spec.measured.items()) or "not stated"
