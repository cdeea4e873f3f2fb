"""Print what a model's voxel size costs by itself: grid_ceiling.py MODEL_DIR DATA_FOLDER.

DATA_FOLDER holds one folder per patient, each with a segmentation in the numbers of BraTS 2017 to
2021. The expert's own labels are brought to the model's grid, as training brings them there, and
back, as a mask is brought back. The Dice that is left is what a network would reach that answers
on that grid exactly what it is taught, for every spacing that is tried; mean by region, ET over
patients in whom the expert saw at least 1 mL.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from islands import scores

from latup_cli.inference.decode import decode
from latup_cli.inference.models import load_model
from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.preprocess.reference import region_shares
from latup_cli.preprocess.restore import to_native, to_native_block
from latup_cli.workflows.labeled import LabeledStudy, find_labeled, load_labeled

SPACINGS_MM = (1.0, 1.5, 2.0, 3.0)


def ceiling(study: LabeledStudy) -> list[float]:
    """Dice of WT, TC and ET after the way there and back; NaN where there is too little ET."""
    shares = region_shares(study.labels, study.prepared)
    block = decode(to_native_block(shares, study.prepared), study.prepared.brain.data)
    return scores(study, to_native(block, study.prepared))


def main() -> None:
    """Print a row for every spacing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    spec = load_model(given.model).spec
    patients = find_labeled([given.folder])
    print(f"| voxels, mm | {' | '.join(REGIONS)} |\n|---|---|---|---|")
    for spacing_mm in SPACINGS_MM:
        spaced = replace(spec, spacing_mm=(spacing_mm,) * 3)
        rows = [ceiling(load_labeled(files, spaced, SCHEMES["brats2021"])) for files in patients]
        means = np.nanmean(np.array(rows), axis=0)
        print(f"| {spacing_mm:g} | {' | '.join(f'{mean:.3f}' for mean in means)} |", flush=True)


if __name__ == "__main__":
    main()
