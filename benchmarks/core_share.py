"""Print how much of a tumor is core: core_share.py MAPS.npz [MODEL_DIR DATA_FOLDER ...].

`seg` of MAPS.npz holds label maps in the numbers of BraTS 2017 to 2021. Prints which share of the
whole tumor is core where experts saw no enhancing tumor, and where they saw some. With a model and
folders of labeled patients, also prints what the Dice of TC becomes on those in whom the model
finds no ET, for every share that its core might have at least. What is chosen belongs into
`least_core_share` of the training settings and of `model.json`; choose it by the maps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from islands import looks

from latup_cli.evaluation.overlap import dice
from latup_cli.inference.models import Model, load_model
from latup_cli.labels import SCHEMES, Tissue
from latup_cli.workflows.predict import decide

SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
PERCENTILES = (5, 25, 50, 75, 95)
SCHEME = SCHEMES["brats2021"]


def print_maps(path: Path) -> None:
    """Percentiles of the share, without and with ET."""
    numbers = SCHEME.numbers
    with np.load(path, allow_pickle=False) as content:
        maps = content["seg"].reshape(len(content["seg"]), -1)
    whole = np.count_nonzero(maps, axis=1)
    enhancing = np.count_nonzero(maps == numbers[Tissue.ET], axis=1)
    core = enhancing + np.count_nonzero(maps == numbers[Tissue.NCR], axis=1)
    print(f"| maps | number | {' | '.join(f'{p} %' for p in PERCENTILES)} |")
    print("|---" * (2 + len(PERCENTILES)) + "|")
    for name, which in (("without ET", enhancing == 0), ("with ET", enhancing > 0)):
        shares = np.percentile(core[which] / whole[which], PERCENTILES)
        print(f"| {name} | {which.sum()} | {' | '.join(f'{s:.2f}' for s in shares)} |")


def print_patients(model: Model, folders: Sequence[Path]) -> None:
    """Dice of TC for every least share, of patients in whom the model finds no ET."""
    spec = replace(model.spec, least_core_share=0.0)
    print(f"| patient | {' | '.join(f'TC, at least {share:g}' for share in SHARES)} |")
    print("|---" * (1 + len(SHARES)) + "|")
    patients = 0
    for study, seen in looks(model, spec, folders):
        patients += 1
        if decide(seen, study.prepared, spec).labels.region("ET").data.any():
            continue
        row = []
        for share in SHARES:
            found = decide(seen, study.prepared, replace(spec, least_core_share=share)).labels
            row.append(dice(found.region("TC").data, study.labels.region("TC").data))
        print(f"| {study.name} | {' | '.join(f'{score:.3f}' for score in row)} |", flush=True)
    print(f"Of {patients} patients in all.")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("folders", type=Path, nargs="*")
    given = parser.parse_args()
    print_maps(given.maps)
    if given.model:
        print_patients(load_model(given.model), given.folders)


if __name__ == "__main__":
    main()
