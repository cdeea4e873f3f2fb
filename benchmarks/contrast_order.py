"""Measure how well voxels alone tell T1ce from T1, which intake asks where the tags are silent.

Usage: python benchmarks/contrast_order.py DATA_FOLDER [DATA_FOLDER ...], each of which holds a
folder per subject with T1 and T1ce under names that `latup segment` knows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from latup_cli.imaging.nifti import read
from latup_cli.intake.dicom_contrast import LEAST_GAIN, gain
from latup_cli.intake.folder import candidates


def main() -> None:
    """Print the gain of every subject, and how many the limit tells right, wrong or not."""
    gains = []
    for folder in sorted(one for place in sys.argv[1:] for one in Path(place).iterdir()):
        found = candidates(folder) if folder.is_dir() else {}
        if "t1" in found and "t1ce" in found:
            t1ce, t1 = (read(found[modality][0].path).volume for modality in ("t1ce", "t1"))
            gains.append(gain(t1ce, t1))
            print(f"{folder.name}\t{gains[-1]:.3f}")
    right = sum(one >= LEAST_GAIN for one in gains)
    wrong = sum(one <= -LEAST_GAIN for one in gains)
    print(f"{len(gains)} pairs: {right} right, {wrong} wrong, {len(gains) - right - wrong} untold")


if __name__ == "__main__":
    main()
