"""Print what a model's Dice is with other windows and overlaps: what `model.json` may list.

Usage: python benchmarks/windows.py FOLDER [--model NAME | --weights DIR]
                                    --window 144 176 144 [--window ...] [--overlap 0 0.25 0.5]

FOLDER holds labeled patients that the model was not trained on. Each row names the network's cost
too: voxels computed per voxel of brain, and windows for the average patient. A brain that fits one
window is seen at once whatever the overlap, and costs that window.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latup_cli.config import DEFAULT_MODEL, Device, InferenceSettings
from latup_cli.domain.grid import Shape
from latup_cli.domain.model import MeasuredWindow
from latup_cli.evaluation.overlap import dice
from latup_cli.inference.models import Model, load_model, shipped_model
from latup_cli.labels import REGIONS, label_scheme
from latup_cli.workflows.engines import open_engine
from latup_cli.workflows.labeled import LabeledStudy, find_labeled, load_labeled
from latup_cli.workflows.predict import plan_prepared, predict_prepared

LEAST_ML = 1.0
"""ET Dice is the mean over patients with at least so much of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One window and overlap over all patients."""

    window: MeasuredWindow
    dice: dict[str, float]
    per_brain_voxel: float
    windows: float

    def __str__(self) -> str:
        """As a line of the table."""
        size = "x".join(map(str, self.window.shape))
        figures = "".join(f"{self.dice[name]:8.4f}" for name in REGIONS)
        cost = f"{self.per_brain_voxel:10.2f}{self.windows:9.1f}"
        return f"{size:<14}{self.window.overlap:8.2f}{figures}{cost}"


def region_dice(study: LabeledStudy, labels: np.ndarray) -> dict[str, float]:
    """Dice by region of one patient; ET only where the expert drew at least 1 mL."""
    found: dict[str, float] = {}
    ours = label_scheme("brats2023")
    for name, tissues in REGIONS.items():
        numbers = [study.labels.scheme.numbers[tissue] for tissue in tissues]
        expected = np.isin(study.labels.data, numbers)
        if name == "ET" and expected.sum() * study.labels.grid.voxel_ml < LEAST_ML:
            continue
        found[name] = dice(np.isin(labels, [ours.numbers[t] for t in tissues]), expected)
    return found


def measure(model: Model, window: MeasuredWindow, studies: Sequence[LabeledStudy]) -> Row:
    """All patients with one window and overlap."""
    graph = replace(model.graph, window=window.shape)
    settings = InferenceSettings(device=Device("cpu"), precision="float32")
    predict = open_engine(graph, settings).predict
    scores: list[dict[str, float]] = []
    cost, brain, windows = 0, 0, 0
    for study in studies:
        plan = plan_prepared(study.prepared, window)
        cost += plan.voxels
        windows += len(plan.windows)
        brain += int(np.count_nonzero(np.logical_or.reduce(study.prepared.image)))
        found = predict_prepared(study.prepared, model.spec, predict, window=window)
        scores.append(region_dice(study, found.labels.data))
    means = {name: float(np.mean([s[name] for s in scores if name in s])) for name in REGIONS}
    return Row(window, means, cost / brain, windows / len(studies))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--labels", default="brats2021", help="label scheme of FOLDER")
    parser.add_argument("--window", type=int, nargs=3, action="append", required=True)
    parser.add_argument("--overlap", type=float, nargs="+", default=[0.0, 0.25, 0.5])
    given = parser.parse_args()
    model = load_model(given.weights) if given.weights else shipped_model(given.model)
    scheme = label_scheme(given.labels)
    found = find_labeled([given.folder])
    studies = [load_labeled(patient, model.spec, scheme) for patient in found]
    print(f"{model.spec.name} {model.spec.version} on {len(studies)} patients")
    print(f"{'window':<14}{'overlap':>8}{'WT':>8}{'TC':>8}{'ET':>8}{'computed':>10}{'windows':>9}")
    for i, j, k in given.window:
        shape: Shape = (i, j, k)
        for overlap in given.overlap:
            print(measure(model, MeasuredWindow(shape, overlap), studies), flush=True)


if __name__ == "__main__":
    main()
