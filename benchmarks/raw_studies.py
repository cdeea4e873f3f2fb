"""Print what raw acquisition costs in Dice: raw_studies.py DATA_FOLDER [--weights DIR] [--seed N].

Every case of the folder is segmented twice: as it is, aligned and stripped, and as a raw study
made from it (see registration.py): each modality moved on its own by up to 15 mm and 15 degrees,
acquired in 5 mm slices along a random plane, oblique, in a random axis order. The mask of the
raw study is brought back by the T1ce's true motion, and both are compared with the expert's
labels. The loss holds what thick slices hide as well as what registration misses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from accuracy import labels_of, segmented
from registration import REFERENCE, Raw, cases, raw_study

from latup_cli.config import DEFAULT_MODEL, SegmentSettings, Space
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap, Volume
from latup_cli.errors import LatupError
from latup_cli.evaluation.overlap import dice as overlap
from latup_cli.imaging import nifti
from latup_cli.intake.find import find_study
from latup_cli.labels import REGIONS
from latup_cli.preprocess.align import aligned_labels

MOST = (15.0, 15.0)
ENOUGH_ML = 1.0


def dice(found: LabelMap, expert: LabelMap) -> dict[str, float]:
    """Dice by region; not-a-number where the expert marked less than 1 mL."""
    scores = {}
    for region in REGIONS:
        known = expert.region(region)
        score = overlap(found.region(region).data, known.data)
        scores[region] = score if known.volume_ml >= ENOUGH_ML else float("nan")
    return scores


def stored(study: dict[str, Raw], folder: Path) -> Path:
    """The raw series as NIfTI files."""
    for modality, raw in study.items():
        path = folder / f"case_{modality}.nii.gz"
        nifti.write_volume(path, raw.volume.data, raw.volume.grid, SpatialCodes(1, 1))
    return folder


def told(name: str, aligned: dict[str, float], raw: dict[str, float]) -> str:
    """One line about a case."""
    pairs = (f"{region} {aligned[region]:.3f} {raw[region]:.3f}" for region in REGIONS)
    return f"{name:<28}" + "  ".join(pairs)


def compared(
    place: Path, images: dict[str, Volume], study: dict[str, Raw], settings: SegmentSettings
) -> tuple[dict[str, float], dict[str, float]]:
    """Dice of the aligned and of the raw study.

    Raises:
        LatupError: If either is refused.
    """
    segmentation = find_study(place).segmentation
    if segmentation is None:
        sys.exit(f"{place.name} has no segmentation")
    expert = labels_of(segmentation.path)
    aligned = dice(segmented(place, settings), expert)
    with tempfile.TemporaryDirectory() as scratch:
        mask = segmented(stored(study, Path(scratch)), settings)
    back = aligned_labels(mask, images[REFERENCE].grid, study[REFERENCE].motion)
    return aligned, dice(back, expert)


def main() -> None:
    """Segment every case both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    generator = np.random.default_rng(given.seed)
    settings = SegmentSettings(model=given.model, weights=given.weights, space=Space.MODEL)
    losses, refused = [], 0
    print("Dice of each region: aligned, then raw")
    for name, images in cases(given.folder):
        study = raw_study(images, generator, MOST)
        place = given.folder / name if (given.folder / name).is_dir() else given.folder
        try:
            aligned, raw = compared(place, images, study, settings)
        except LatupError as error:
            refused += 1
            print(f"{name:<28}refused: {error}", flush=True)
            continue
        losses.append([aligned[region] - raw[region] for region in REGIONS])
        print(told(name, aligned, raw), flush=True)
    means = np.nanmean(losses, axis=0)
    summary = ", ".join(f"{r} {loss:+.3f}" for r, loss in zip(REGIONS, means, strict=True))
    print(f"mean loss of Dice over {len(losses)} cases: {summary}; refused: {refused}")


if __name__ == "__main__":
    main()
