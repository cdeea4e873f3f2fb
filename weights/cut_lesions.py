"""Make the lesions for `latup train --lesions` of patches that hold one each.

Usage: python weights/cut_lesions.py PATCHES.npz I_MM J_MM K_MM LESIONS.npz

PATCHES.npz holds `x` (n, 4, i, j, k), whose z-score is (x - `offset`) * `scale`, channels T1, T1ce,
T2, FLAIR, and `y` (n, i, j, k) in the numbers of BraTS 2017 to 2021. Both are in voxels of I_MM by
J_MM by K_MM, stored from right to left, front to back and down to up, as BraTS does. What is
written holds parts of images of patients: keep it as you keep theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.training.lesions import Lesions


def main() -> None:
    """Convert and write."""
    if len(sys.argv) != 6:  # noqa: PLR2004  (the script, two files and three sizes)
        sys.exit(__doc__)
    source, *sizes, written = sys.argv[1:]
    numbers = SCHEMES["brats2021"].numbers
    with np.load(source, allow_pickle=False) as content:
        images = (content["x"].astype(np.float32) - content["offset"]) * content["scale"]
        labels = content["y"]
    tissues = ([numbers[tissue] for tissue in region] for region in REGIONS.values())
    regions = np.stack([np.isin(labels, values) for values in tissues], axis=1)
    from_left = (..., slice(None, None, -1), slice(None, None, -1), slice(None))
    lesions = Lesions(
        images.astype(np.float16)[from_left],
        np.where(regions, 255, 0).astype(np.uint8)[from_left],
        np.array(sizes, dtype=np.float64),
    )
    lesions.save(Path(written))
    print(f"{len(images)} lesions in cubes of {' x '.join(map(str, labels.shape[1:]))} voxels")


if __name__ == "__main__":
    main()
