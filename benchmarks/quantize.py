"""Measure a model in bfloat16 and int8; write `model.int8.onnx` and what was found beside it.

Usage: python benchmarks/quantize.py MODEL_DIR --train TRAIN_FOLDER --val VAL_FOLDER
                                      [--windows 20]
                                      [--agreement 0.998 | --like EARLIER.int8.onnx]
       python benchmarks/quantize.py MODEL_DIR --val VAL_FOLDER      (bfloat16 alone)

Int8 needs `pip install nncf` beside the extra "train", and TRAIN_FOLDER to calibrate it.
VAL_FOLDER, of patients that the model was not trained on, says how much Dice changes against
float32, by the same code as `benchmarks/precision.py`. Writes the fields "precisions" and
"bytes_per_voxel" of `model.json`. A precision is allowed as a default if over the cases with at
least 1 mL of a region its Dice changes by at most 0.002 on the mean and 0.01 at worst, and if every
whole tumor that it finds agrees with that of float32 by a Dice of at least 0.995.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from engines import memory_per_voxel
from precision import CaseDice, Variant, compared, masks

from latup_cli.config import BFLOAT16, FLOAT32, INT8
from latup_cli.imaging.atomic import replacing, write_text
from latup_cli.inference.models import SPEC_FILE, Graph, Model, load_model
from latup_cli.inference.openvino_engine import open_on_cpu
from latup_cli.inference.precision import computes_in_bfloat16
from latup_cli.inference.processor import read_processor
from latup_cli.inference.windows import Array
from latup_cli.labels import REGIONS, label_scheme
from latup_cli.workflows.labeled import LabeledStudy, find_labeled, load_labeled

FILE = "model.int8.onnx"
AGREEMENT = "lowest WT Dice to float32"
OPENVINO = "openvino"
MOST_ON_MEAN, MOST_AT_WORST = 0.002, 0.01
LEAST_AGREEMENT = 0.995


def training_windows(model: Model, folder: Path, count: int) -> list[Array]:
    """One window in the middle of each of some training patients, evenly drawn by name.

    Every other one has half its contrast: a faint tumor hangs on smaller differences than others,
    and few patients have one.
    """
    patients = find_labeled([folder])
    step = max(1, len(patients) // count)
    scheme = label_scheme("brats2021")
    drawn = patients[::step][:count]
    images = (load_labeled(patient, model.spec, scheme).prepared.image for patient in drawn)
    windows = [middle(image, model.spec.window) for image in images]
    return [window * (0.5 if number % 2 else 1.0) for number, window in enumerate(windows)]


def middle(image: Array, window: tuple[int, ...]) -> Array:
    """(1, channels, *window) of (channels, i, j, k), filled with zeros where it does not reach."""
    out = np.zeros((1, len(image), *window), dtype=np.float32)
    ours: list[slice] = []
    theirs: list[slice] = []
    for n, w in zip(image.shape[1:], window, strict=True):
        size = min(n, w)
        ours.append(slice((n - size) // 2, (n - size) // 2 + size))
        theirs.append(slice((w - size) // 2, (w - size) // 2 + size))
    out[(slice(0, 1), slice(None), *theirs)] = image[(slice(None), *ours)]
    return out


def opener(model: Model) -> Callable[[bytes], Callable[[Array], Array]]:
    """Opens a graph's bytes in OpenVINO, for the model's window."""

    def open_graph(graph: bytes) -> Callable[[Array], Array]:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "graph.onnx"
            path.write_bytes(graph)
            given = model.graph
            here = Graph(
                path=path,
                sha256=hashlib.sha256(graph).hexdigest(),
                inputs=given.inputs,
                outputs=given.outputs,
                window=given.window,
                stride=given.stride,
            )
            return open_on_cpu(here)

    return open_graph


def measure(
    model: Model, precisions: Sequence[str], studies: Sequence[LabeledStudy]
) -> dict[str, list[CaseDice]]:
    """Every patient in every precision, by OpenVINO, beside the first."""
    window = model.spec.default_window
    made = {
        name: list(masks(model, Variant(OPENVINO, name, window), studies)) for name in precisions
    }
    first = made[precisions[0]]
    return {
        name: [
            compared(study, mask, base, windows)
            for study, (mask, windows), (base, _) in zip(studies, found, first, strict=True)
        ]
        for name, found in made.items()
    }


def difference(ours: Sequence[CaseDice], float32: Sequence[CaseDice]) -> dict[str, object]:
    """Change of Dice by region, over cases with at least 1 mL of it; and how the masks agree."""
    found: dict[str, object] = {AGREEMENT: round(min(case.agreement["WT"] for case in ours), 4)}
    for region in REGIONS:
        changes = [
            a.dice[region] - b.dice[region]
            for a, b in zip(ours, float32, strict=True)
            if region in b.counted
        ]
        found[region] = {
            "mean": round(float(np.mean(changes)), 5),
            "worst": round(min(changes), 5),
            "cases": len(changes),
        }
    found["on"] = "patients that weights were chosen by and not trained on"
    return found


def allowed(change: dict[str, object]) -> bool:
    """Whether the change is so small in every region that nobody has to ask for the precision."""
    regions, agreement = [change[region] for region in REGIONS], change[AGREEMENT]
    agree = isinstance(agreement, float) and agreement >= LEAST_AGREEMENT
    return agree and all(
        isinstance(region, dict)
        and abs(region["mean"]) <= MOST_ON_MEAN
        and region["worst"] >= -MOST_AT_WORST
        for region in regions
    )


def entry(file: str, sha256: str, change: dict[str, object]) -> dict[str, object]:
    """One precision in `model.json`."""
    return {
        "file": file,
        "sha256": sha256,
        "dice_difference": change,
        "allowed_as_default": bool(change) and allowed(change),
    }


def measured(model: Model, int8: bytes | None, folder: Path) -> dict[str, dict[str, object]]:
    """The field "precisions", from runs of a copy of the model; no int8 without its graph."""
    spec, scheme = model.spec, label_scheme("brats2021")
    files = {INT8: (FILE, hashlib.sha256(int8).hexdigest())} if int8 else {}
    if computes_in_bfloat16(read_processor()):
        files[BFLOAT16] = (spec.weights, spec.sha256)
    else:
        print("bfloat16 is not measured, and so no default: this processor does not compute in it")
    if not files:
        sys.exit("There is nothing to measure here, and model.json stays as it is.")
    studies = [load_labeled(patient, spec, scheme) for patient in find_labeled([folder])]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "model"
        shutil.copytree(model.path.parent, copy)
        if int8:
            (copy / FILE).write_bytes(int8)
        set_fields(copy, precisions={name: entry(*file, {}) for name, file in files.items()})
        cases = measure(load_model(copy), (FLOAT32, *files), studies)
    changes = {name: difference(cases[name], cases[FLOAT32]) for name in files}
    return {name: entry(*file, changes[name]) for name, file in files.items()}


def set_fields(directory: Path, **fields: object) -> None:
    """Change fields of `model.json`."""
    path = directory / SPEC_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    write_text(path, json.dumps({**content, **fields}, indent=2) + "\n")


def write_int8(
    model: Model, train: Path, agreement: float | None, count: int, like: Path | None
) -> bytes:
    """Quantize, print what is in int8, and write the graph beside the model."""
    # Here, so that bfloat16 is measured without NNCF.
    from latup_cli.training import quantize as calibration

    windows = training_windows(model, train, count)
    graph, open_graph = model.path.read_bytes(), opener(model)
    if like:
        found = calibration.quantize_like(graph, windows, open_graph, like.read_bytes())
    else:
        least = calibration.AGREEMENT if agreement is None else agreement
        found = calibration.quantize(graph, windows, open_graph, least)
    set_fields(model.path.parent, precisions={})  # those of other weights
    with replacing(model.path.parent / FILE) as beside:
        beside.write_bytes(found.graph)
    print(
        f"int8: {len(found.in_int8)} convolutions with {found.share:.0%} of the multiply-adds; "
        f"in float: {', '.join(found.in_float) or 'none'}; "
        f"masks of training windows agree by Dice {found.agreement:.4f}"
    )
    return found.graph


def main() -> None:
    """Quantize, measure, write, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--train", type=Path, help="patients that calibrate int8")
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=20)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--agreement", type=float, help="of masks in calibration")
    either.add_argument("--like", type=Path, help="int8 graph of earlier weights to follow")
    given = parser.parse_args()
    model = load_model(given.model)
    int8 = None
    if given.train:
        int8 = write_int8(model, given.train, given.agreement, given.windows, given.like)
    elif INT8 in model.spec.precisions:
        sys.exit(
            "Without --train the model's int8 would be lost: give --train, or remove it first."
        )
    precisions = measured(model, int8, given.val)
    set_fields(given.model, precisions=precisions)
    set_fields(given.model, bytes_per_voxel=memory_per_voxel(given.model))
    load_model(given.model)  # what was written can be read
    print(json.dumps(precisions, indent=2))


if __name__ == "__main__":
    main()
