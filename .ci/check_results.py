"""Compare the mask of the sample patient with its known answer."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np

LEAST_DICE = 0.80


def main(case: Path, results: Path) -> None:
    """Check one results folder.

    Raises:
        SystemExit: If a file is missing, or the whole tumor was not found.
    """
    needed = [
        f"{case.name}_{end}" for end in ("seg.nii.gz", "report.json", "report.csv", "preview.png")
    ]
    missing = [name for name in needed if not (results / name).is_file()]
    if missing:
        sys.exit(f"not written: {missing}")
    truth = np.asanyarray(nib.load(case / needed[0]).dataobj) > 0
    found = np.asanyarray(nib.load(results / needed[0]).dataobj) > 0
    dice = 2 * (truth & found).sum() / (truth.sum() + found.sum())
    print(f"sample: whole tumor Dice {dice:.3f}")
    if dice < LEAST_DICE:
        sys.exit(f"that is less than {LEAST_DICE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
