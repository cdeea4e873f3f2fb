"""Print the numbers that tell stripped images from heads: skull_check.py FOLDER [FOLDER ...].

Every NIfTI image below the folders counts whose name says that it is one of the modalities.
Each is measured as stored and, with `--zero-air`, again with the air set to 0, as some scanners
and bias-field corrections leave it. The ranges stand as a comment in latup_cli/intake/skull.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from latup_cli.domain.volume import Volume
from latup_cli.imaging.nifti import read
from latup_cli.intake.folder import image_stem
from latup_cli.intake.rules import recognize
from latup_cli.intake.skull import LEAST_EMPTY_SHARE, MOST_BRAIN_ML, Emptiness, measure
from latup_cli.labels import MODALITIES

AIR_SHARES = (0.05, 0.1)
"""Shares of the 99th percentile below which a voxel counts as air."""


def modality_files(folder: Path) -> Iterator[Path]:
    """Every image below a folder that is named as one of the four modalities."""
    for path in sorted(folder.rglob("*.nii*")):
        stem = image_stem(path)
        recognized = None if stem is None else recognize(stem)
        if recognized is not None and recognized.meaning in MODALITIES:
            yield path


def without_air(image: Volume, share: float) -> Volume:
    """The image with its darkest voxels set to 0."""
    floor = share * float(np.percentile(image.data, 99))
    return Volume(np.where(image.data > floor, image.data, np.float32(0)), image.grid)


def verdict(found: Emptiness) -> str:
    """What the checks say."""
    head = found.nonzero_ml > MOST_BRAIN_ML or found.empty_share < LEAST_EMPTY_SHARE
    return "head" if head else "stripped"


def main() -> None:
    """Measure and print a line per image, then the ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--zero-air", action="store_true")
    asked = parser.parse_args()
    shares = (0.0, *AIR_SHARES) if asked.zero_air else (0.0,)
    rows: list[Emptiness] = []
    for path in (path for folder in asked.folders for path in modality_files(folder)):
        image = read(path).volume
        for share in shares:
            found = measure(without_air(image, share) if share else image)
            rows.append(found)
            air = f", air below {share:.0%}" if share else ""
            figures = f"{found.nonzero_ml:7.0f} mL  {found.empty_share:.3f} zeros"
            print(f"{figures}  {verdict(found):8}  {path.name}{air}")
    for name in ("nonzero_ml", "empty_share"):
        values = [getattr(row, name) for row in rows]
        print(f"{name}: {min(values):.3f} to {max(values):.3f} ({len(rows)} images)")


if __name__ == "__main__":
    main()
