"""Print the Dice of a model on labeled patients, case by case: the figures of its card.

Usage: python benchmarks/accuracy.py FOLDER [--model NAME | --weights DIR] [--n4]
                                     [--tta] [--json FILE]

FOLDER holds one folder per patient, in any naming that `latup segment` knows, each with a
segmentation in the numbers of BraTS 2017 to 2021. Every patient goes through the same function
as `latup segment`: the ONNX graph, windows, and the mask that was written and read back. The
figures come from the same functions as those of `latup evaluate`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from latup_cli.config import (
    DEFAULT_MODEL,
    LesionChallenge,
    PreparationSettings,
    SegmentSettings,
)
from latup_cli.domain.volume import LabelMap
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.score import CaseScores, score_case
from latup_cli.evaluation.summary import has_enough_et, summarize
from latup_cli.imaging import nifti
from latup_cli.intake.find import find_study
from latup_cli.labels import SCHEMES
from latup_cli.workflows.segment import segment_study

SCHEME = SCHEMES["brats2021"]


def labels_of(path: Path) -> LabelMap:
    """A segmentation in the numbers of BraTS 2017 to 2021."""
    image = nifti.read_labels(path)
    return LabelMap(image.data.astype(np.uint8, copy=False), image.grid, SCHEME)


def segmented(folder: Path, settings: SegmentSettings) -> LabelMap:
    """Segment one patient into a temporary folder, and read the mask back."""
    with tempfile.TemporaryDirectory() as scratch:
        done = segment_study(folder, Path(scratch), settings)
        return labels_of(done.mask)


def compared(folder: Path, predicted: LabelMap) -> CaseScores:
    """Compare a patient's mask with the expert's labels."""
    segmentation = find_study(folder).segmentation
    if segmentation is None:
        sys.exit(f"{folder} has no segmentation")
    reference = labels_of(segmentation.path)
    return score_case(folder.name, predicted, reference, RULES[LesionChallenge.GLI])


def figures(scores: list[CaseScores]) -> dict[str, float]:
    """Means over all cases; ET Dice over those with at least 1 mL, excess ET on the others."""
    summary = summarize(scores)
    means = {name: summary.regions[name]["dice"].mean for name in ("WT", "TC")}
    enhancing = summary.enhancing
    means["ET"] = enhancing.metrics["dice"].mean if enhancing.cases else float("nan")
    means["ET_cases"] = enhancing.cases
    every_et = [score.regions["ET"] for score in scores]
    excess = [max(0.0, et.volume_error_ml) for et in every_et if not has_enough_et(et)]
    means["excess_ET_ml"] = float(np.mean(excess)) if excess else 0.0
    means["cases"] = summary.cases
    return means


def as_row(score: CaseScores) -> dict[str, object]:
    """One patient: Dice by region, and how much ET there is and was found, in mL."""
    et = score.regions["ET"]
    return {
        "case": score.name,
        "dice": {name: region.counts.dice for name, region in score.regions.items()},
        "reference_et_ml": et.reference_ml,
        "predicted_et_ml": et.predicted_ml,
    }


def main() -> None:
    """Measure every patient and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--n4", action="store_true", help="remove the bias field first")
    parser.add_argument("--tta", action="store_true", help="look at 8 mirrored views")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    preparation = PreparationSettings(n4=given.n4)
    settings = SegmentSettings(
        model=given.model, weights=given.weights, preparation=preparation, tta=given.tta
    )
    print(f"{'case':<28}{'WT':>8}{'TC':>8}{'ET':>8}{'ET mL':>9}{'found mL':>10}")
    scores = []
    for folder in sorted(path for path in given.folder.iterdir() if path.is_dir()):
        score = compared(folder, segmented(folder, settings))
        scores.append(score)
        row = "".join(f"{region.counts.dice:8.3f}" for region in score.regions.values())
        et = score.regions["ET"]
        print(f"{score.name:<28}{row}{et.reference_ml:9.2f}{et.predicted_ml:10.2f}")
    means = figures(scores)
    print(
        f"mean: WT {means['WT']:.3f}, TC {means['TC']:.3f}, "
        f"ET {means['ET']:.3f} over the {means['ET_cases']:.0f} with at least 1 mL of it; "
        f"on the others {means['excess_ET_ml']:.2f} mL too much ET"
    )
    if given.json:
        summary = {name: round(value, 4) for name, value in means.items()}
        content = {"summary": summary, "cases": [as_row(score) for score in scores]}
        given.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
