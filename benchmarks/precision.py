"""Print what precision, engine, window and overlap do to Dice on labeled patients.

Usage: python benchmarks/precision.py MODEL_DIR DATA_FOLDER [--window I J K ...]
                                      [--overlap 0 0.25 0.5] [--json FILE]

DATA_FOLDER holds one folder per patient, each with a segmentation in the numbers of BraTS 2017 to
2021. Patients are prepared once; every variant then sees the same voxels. The first variant, the
model's default window in float32, is what the others are compared with: the mean and the worst
change of Dice over patients with at least 1 mL of a region, and the lowest Dice between the two
masks themselves. With --window, windows that may be listed in `model.json` are measured too, and
with --overlap each at each overlap.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from latup_cli.config import Device, InferenceSettings
from latup_cli.domain.grid import Shape
from latup_cli.domain.model import MeasuredWindow
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import LatupError
from latup_cli.evaluation.overlap import dice
from latup_cli.inference.models import Model, load_model
from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.workflows.engines import open_engine
from latup_cli.workflows.labeled import LabeledStudy, find_labeled, load_labeled
from latup_cli.workflows.predict import predict_prepared

LEAST_ML = 1.0
WAYS = (
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("onnxruntime", "float32"),
)
"""Engine and precision; the first is what the others are compared with."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run a model.

    Attributes:
        engine: "openvino" or "onnxruntime".
        precision: "float32", "bfloat16" or "int8".
        window: Its size and overlap.
    """

    engine: str
    precision: str
    window: MeasuredWindow

    def __str__(self) -> str:
        size = "x".join(map(str, self.window.shape))
        return f"{self.engine} {self.precision}, {size}, overlap {self.window.overlap:g}"


@dataclass(frozen=True, slots=True)
class CaseDice:
    """One patient by one variant.

    Attributes:
        case: The patient.
        windows: How many windows it took.
        dice: Region to Dice with the expert's labels.
        agreement: Region to Dice with the mask of the first variant.
        counted: Regions of which the expert saw at least 1 mL.
    """

    case: str
    windows: int
    dice: dict[str, float]
    agreement: dict[str, float]
    counted: tuple[str, ...]


def variants(model: Model, shapes: Sequence[Shape], overlaps: Sequence[float]) -> list[Variant]:
    """Every precision with the default window, then every window and overlap in float32."""
    default = model.spec.default_window
    found = [Variant(engine, precision, default) for engine, precision in WAYS]
    windows = [MeasuredWindow(*pair) for pair in product((default.shape, *shapes), overlaps)]
    found += [Variant(*WAYS[0], window) for window in windows]
    return [v for n, v in enumerate(found) if v not in found[:n]]


def masks(
    model: Model, variant: Variant, studies: Sequence[LabeledStudy]
) -> Iterator[tuple[LabelMap, int]]:
    """Each patient's mask, and how many windows it took.

    Raises:
        LatupError: If there is no such engine or precision here.
    """
    settings = InferenceSettings(
        device=Device("cpu"), engine=variant.engine, precision=variant.precision
    )
    opened = open_engine(replace(model.graph, window=variant.window.shape), settings)
    for study in studies:
        found = predict_prepared(study.prepared, model.spec, opened.predict, window=variant.window)
        yield found.labels.renumbered(study.labels.scheme), found.windows


def compared(study: LabeledStudy, mask: LabelMap, first: LabelMap, windows: int) -> CaseDice:
    """One patient's mask beside the expert's and the first variant's."""
    theirs = {name: study.labels.region(name) for name in REGIONS}
    ours = {name: mask.region(name).data for name in REGIONS}
    return CaseDice(
        study.name,
        windows,
        {name: dice(ours[name], theirs[name].data) for name in REGIONS},
        {name: dice(ours[name], first.region(name).data) for name in REGIONS},
        tuple(name for name in REGIONS if theirs[name].volume_ml >= LEAST_ML),
    )


def row(variant: Variant, cases: Sequence[CaseDice], first: Sequence[CaseDice]) -> str:
    """Mean Dice by region, and by how much it differs from the first variant."""
    cells = [str(variant), f"{statistics.mean(case.windows for case in cases):.1f}"]
    for name in REGIONS:
        pairs = [(c, f) for c, f in zip(cases, first, strict=True) if name in c.counted]
        changes = [case.dice[name] - base.dice[name] for case, base in pairs]
        if not pairs:
            cells.append("no case")
            continue
        mean = statistics.mean(case.dice[name] for case, _ in pairs)
        worst = max(changes, key=abs)
        cells.append(f"{mean:.4f} ({statistics.mean(changes):+.4f}, {worst:+.4f})")
    cells.append(f"{min(case.agreement['WT'] for case in cases):.4f}")
    return f"| {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=int, nargs=3, action="append", default=[])
    parser.add_argument("--overlap", type=float, nargs="+", default=[])
    parser.add_argument("--json", type=Path, help="write every case there")
    return parser.parse_args()


def main() -> None:
    """Measure and print; a variant that is not there is named."""
    given = _options()
    model = load_model(given.model)
    shapes = [(i, j, k) for i, j, k in given.window]
    overlaps = given.overlap or [model.spec.default_window.overlap]
    scheme = SCHEMES["brats2021"]
    studies = [load_labeled(found, model.spec, scheme) for found in find_labeled([given.folder])]
    names = " | ".join(f"{name}, mean (change, worst)" for name in REGIONS)
    print(f"| variant | windows | {names} | lowest WT Dice to the first |")
    print("|---|---|---|---|---|---|")
    first: list[LabelMap] = []
    results: dict[str, list[CaseDice]] = {}
    for variant in variants(model, shapes, overlaps):
        try:
            made = list(masks(model, variant, studies))
        except LatupError as error:
            print(f"| {variant} | {error} | | | | |")
            continue
        first = first or [mask for mask, _ in made]
        results[str(variant)] = [
            compared(study, mask, base, windows)
            for study, (mask, windows), base in zip(studies, made, first, strict=True)
        ]
        print(row(variant, results[str(variant)], next(iter(results.values()))), flush=True)
    if given.json:
        rows = {name: [asdict(case) for case in cases] for name, cases in results.items()}
        given.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
