"""Measure how tumors look in lesion patches, for `latup train --appearances`.

Usage: python weights/measure_appearances.py PATCHES.npz APPEARANCES.npz

PATCHES.npz holds `x` (n, 4, i, j, k), whose z-score is (x - `offset`) * `scale`, channels T1, T1ce,
T2, FLAIR, and `y` (n, i, j, k) in the numbers of BraTS 2017 to 2021. What is written are the mean
and the standard deviation of each tissue in each modality: no image can be made from them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latup_cli.labels import SCHEMES
from latup_cli.training.appearance import TISSUES, Appearances


def main() -> None:
    """Measure and write."""
    if len(sys.argv) != 3:  # noqa: PLR2004  (the script, and two files)
        sys.exit(__doc__)
    source, written = map(Path, sys.argv[1:])
    numbers = SCHEMES["brats2021"].numbers
    with np.load(source, allow_pickle=False) as content:
        images = (content["x"].astype(np.float32) - content["offset"]) * content["scale"]
        labels = content["y"]
    tissues = np.stack([labels == numbers[tissue] for tissue in TISSUES], axis=1)
    found = Appearances.of(zip(images.astype(np.float32), tissues, strict=True))
    found.save(written)
    have = np.isfinite(found.mean).all(axis=2).sum(axis=0)
    counts = ", ".join(f"{n} {tissue.name}" for n, tissue in zip(have, TISSUES, strict=True))
    print(f"{len(found.mean)} tumors: {counts}")


if __name__ == "__main__":
    main()
