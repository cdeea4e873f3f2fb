"""Print the Dice of a model on labeled patients, case by case: the figures of its card.

Usage: python benchmarks/accuracy.py FOLDER [--model NAME | --weights DIR] [--json FILE]

FOLDER holds one folder per patient, in any naming that `latup segment` knows, each with a
segmentation in the numbers of BraTS 2017 to 2021. Every patient goes through the same function
as `latup segment`: the ONNX graph, windows, and the mask that was written and read back.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from latup_cli.config import DEFAULT_MODEL, SegmentSettings
from latup_cli.domain.volume import LabelMap
from latup_cli.evaluation.overlap import dice
from latup_cli.imaging import nifti
from latup_cli.intake.find import find_study
from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.workflows.segment import segment_study

SCHEME = SCHEMES["brats2021"]
ENOUGH_ET_ML = 1.0
"""ET Dice turns on single voxels where the reference has less than this."""


@dataclass(frozen=True, slots=True)
class Score:
    """One patient: Dice by region, and how much ET there is and was found, in mL."""

    case: str
    dice: dict[str, float]
    reference_et_ml: float
    predicted_et_ml: float


def labels_of(path: Path) -> LabelMap:
    """A segmentation in the numbers of BraTS 2017 to 2021."""
    image = nifti.read_labels(path)
    return LabelMap(image.data.astype(np.uint8, copy=False), image.grid, SCHEME)


def measure(folder: Path, settings: SegmentSettings) -> Score:
    """Segment one patient into a temporary folder and compare with the expert's labels."""
    with tempfile.TemporaryDirectory() as scratch:
        done = segment_study(folder, Path(scratch), settings)
        predicted = labels_of(done.mask)
    segmentation = find_study(folder).segmentation
    if segmentation is None:
        sys.exit(f"{folder} has no segmentation")
    reference = labels_of(segmentation.path)
    scores = {
        name: dice(predicted.region(name).data, reference.region(name).data) for name in REGIONS
    }
    et = [labels.region("ET").volume_ml for labels in (reference, predicted)]
    return Score(folder.name, scores, reference_et_ml=et[0], predicted_et_ml=et[1])


def summarize(scores: list[Score]) -> dict[str, float]:
    """Means over all cases; ET Dice over those with at least 1 mL, false ET on the others."""
    enough = [s for s in scores if s.reference_et_ml >= ENOUGH_ET_ML]
    others = [s for s in scores if s.reference_et_ml < ENOUGH_ET_ML]
    summary = {name: float(np.mean([s.dice[name] for s in scores])) for name in ("WT", "TC")}
    summary["ET"] = float(np.mean([s.dice["ET"] for s in enough])) if enough else float("nan")
    summary["ET_cases"] = len(enough)
    excess = [max(0.0, s.predicted_et_ml - s.reference_et_ml) for s in others]
    summary["excess_ET_ml"] = float(np.mean(excess)) if others else 0.0
    summary["cases"] = len(scores)
    return {name: round(value, 4) for name, value in summary.items()}


def main() -> None:
    """Measure every patient and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    settings = SegmentSettings(model=given.model, weights=given.weights)
    print(f"{'case':<28}{'WT':>8}{'TC':>8}{'ET':>8}{'ET mL':>9}{'found mL':>10}")
    scores = []
    for folder in sorted(path for path in given.folder.iterdir() if path.is_dir()):
        score = measure(folder, settings)
        scores.append(score)
        row = "".join(f"{value:8.3f}" for value in score.dice.values())
        print(f"{score.case:<28}{row}{score.reference_et_ml:9.2f}{score.predicted_et_ml:10.2f}")
    summary = summarize(scores)
    print(
        f"mean: WT {summary['WT']:.3f}, TC {summary['TC']:.3f}, "
        f"ET {summary['ET']:.3f} over the {summary['ET_cases']:.0f} with at least 1 mL of it; "
        f"on the others {summary['excess_ET_ml']:.2f} mL too much ET"
    )
    if given.json:
        content = {"summary": summary, "cases": [asdict(score) for score in scores]}
        given.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
