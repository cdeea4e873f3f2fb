"""Print what leaving out small pieces of tumor does: islands.py MODEL_DIR DATA_FOLDER.

DATA_FOLDER holds one folder per patient, each with a segmentation in the numbers of BraTS 2017 to
2021. For every volume below which a piece of the whole tumor would be left out (the largest always
stays), prints mean Dice by region (ET where the expert saw at least 1 mL), how many false pieces
a patient keeps, and how much of the experts' tumor is lost with true ones. What is chosen belongs
into `smallest_island_ml` of the training settings and of `model.json`; choose it on patients that
the model was trained on, so that those that judge it stay apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from latup_cli.config import Device, InferenceSettings
from latup_cli.domain.model import ModelSpec
from latup_cli.evaluation.overlap import dice
from latup_cli.evaluation.summary import is_enough_et
from latup_cli.imaging.itk import components
from latup_cli.inference.decode import islands
from latup_cli.inference.models import Model, load_model
from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.workflows.engines import open_engine
from latup_cli.workflows.labeled import LabeledStudy, find_labeled, load_labeled
from latup_cli.workflows.predict import Prediction, Seen, decide, look_at

VOLUMES_ML = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def scores(study: LabeledStudy, labels: np.ndarray) -> list[float]:
    """Dice of WT, TC and ET, the latter NaN where the expert saw too little of it.

    Args:
        study: With the expert's labels.
        labels: (i, j, k) on their grid, in the numbers of `Tissue`.
    """
    row = []
    for name, tissues in REGIONS.items():
        theirs = study.labels.region(name)
        ours = np.isin(labels, [int(tissue) for tissue in tissues])
        counts = name != "ET" or is_enough_et(theirs.volume_ml)
        row.append(dice(ours, theirs.data) if counts else float("nan"))
    return row


def effect(study: LabeledStudy, labels: np.ndarray, smallest_ml: float) -> list[float]:
    """Dice of WT, TC and ET, false pieces left, and true tumor lost in mL."""
    voxel_ml = study.labels.grid.voxel_ml
    out = islands(labels, voxel_ml, smallest_ml)
    left = np.where(out, 0, labels)
    row = scores(study, left)
    tumor = study.labels.region("WT").data
    pieces, count = components(left != 0)
    false = count - np.count_nonzero(np.unique(pieces[tumor]))
    return [*row, float(false), float(np.count_nonzero(out & tumor)) * voxel_ml]


def looks(
    model: Model, spec: ModelSpec, folders: Sequence[Path]
) -> Iterator[tuple[LabeledStudy, Seen]]:
    """Every patient of some folders with what a model sees in it; nothing is decided yet."""
    opened = open_engine(model.graph, InferenceSettings(device=Device("cpu")))
    for patient in find_labeled(folders):
        study = load_labeled(patient, spec, SCHEMES["brats2021"])
        yield study, look_at(study.prepared, spec, opened.predict)


def predictions(
    model: Model, spec: ModelSpec, folders: Sequence[Path]
) -> Iterator[tuple[LabeledStudy, Prediction]]:
    """Every patient of some folders with what is found, decided as a description says."""
    for study, seen in looks(model, spec, folders):
        yield study, decide(seen, study.prepared, spec)


def main() -> None:
    """Segment every patient once, and try every volume."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    model = load_model(given.model)
    spec = replace(model.spec, smallest_island_ml=0.0)
    rows: dict[float, list[list[float]]] = {volume: [] for volume in VOLUMES_ML}
    for study, predicted in predictions(model, spec, [given.folder]):
        for volume, found in rows.items():
            found.append(effect(study, predicted.labels.data, volume))
    print("| left out below, mL | WT | TC | ET | false pieces a patient | true tumor lost, mL |")
    print("|---|---|---|---|---|---|")
    for volume, found in rows.items():
        wt, tc, et, false, lost = np.nanmean(found, axis=0)
        print(f"| {volume:g} | {wt:.4f} | {tc:.4f} | {et:.4f} | {false:.2f} | {lost:.3f} |")


if __name__ == "__main__":
    main()
