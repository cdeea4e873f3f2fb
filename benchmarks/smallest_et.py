"""Print what not believing little enhancing tumor does: smallest_et.py MODEL_DIR DATA_FOLDER.

DATA_FOLDER holds one folder per patient, each with a segmentation in the numbers of BraTS 2017 to
2021. For every volume of ET in all below which it would count as necrotic core, prints mean Dice of
ET where the expert saw at least 1 mL, how many of these patients lose all of it, and on the others
the mean volume of false ET and of true ET that is lost. With --maps MAPS.npz, of which `seg` holds
label maps of BraTS 2020 at 1.875 x 1.875 x 1.211 mm, also prints how many have so little. What is
chosen belongs into `smallest_et_ml` of the training settings and `smallest_ml` of `model.json`;
choose it on patients that the model was trained on, so that those that judge it stay apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from islands import predictions

from latup_cli.evaluation.overlap import dice
from latup_cli.evaluation.summary import is_enough_et
from latup_cli.inference.models import load_model
from latup_cli.labels import SCHEMES, Tissue

VOLUMES_ML = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
MAP_VOXEL_ML = 1.875 * 1.875 * 1.211 / 1000.0


def mean(values: Iterable[float]) -> float:
    """Not a number of nothing."""
    return float(np.mean(list(values) or [np.nan]))


def main() -> None:
    """Segment every patient once, and try every volume."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--maps", type=Path)
    given = parser.parse_args()
    model = load_model(given.model)
    spec = replace(model.spec, smallest_ml={}, least_certainty={})
    enough: list[tuple[float, float]] = []  # volume found in mL, Dice
    others: list[tuple[float, float, float]] = []  # volume found, false and true of it, in mL
    for study, predicted in predictions(model, spec, [given.folder]):
        ours, theirs = predicted.labels.region("ET"), study.labels.region("ET")
        if is_enough_et(theirs.volume_ml):
            enough.append((ours.volume_ml, dice(ours.data, theirs.data)))
            continue
        true = float(np.count_nonzero(ours.data & theirs.data)) * ours.grid.voxel_ml
        others.append((ours.volume_ml, ours.volume_ml - true, true))
    print(f"{len(enough)} patients with at least 1 mL of ET, {len(others)} with less")
    print("| not believed below, mL | Dice | lost | false ET, mL | true ET lost, mL |")
    print("|---|---|---|---|---|")
    for least in VOLUMES_ML:
        lost = sum(0.0 < ml < least for ml, _ in enough)
        score = mean(d if ml >= least else 0.0 for ml, d in enough)
        false = mean(f if ml >= least else 0.0 for ml, f, _ in others)
        true = mean(t if ml < least else 0.0 for ml, _, t in others)
        print(f"| {least:g} | {score:.4f} | {lost} | {false:.3f} | {true:.3f} |")
    if given.maps:
        print_maps(given.maps, SCHEMES["brats2021"].numbers[Tissue.ET])


def print_maps(path: Path, number: int) -> None:
    """How many expert label maps have no ET, and how many have so little."""
    with np.load(path, allow_pickle=False) as content:
        volumes = (content["seg"] == number).sum(axis=(1, 2, 3)) * MAP_VOXEL_ML
    counts = ", ".join(
        f"{np.sum((volumes > 0) & (volumes < ml))} below {ml:g} mL" for ml in VOLUMES_ML[1:]
    )
    print(f"Of {len(volumes)} label maps {np.sum(volumes == 0)} have no ET, {counts}.")


if __name__ == "__main__":
    main()
