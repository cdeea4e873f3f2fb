"""Convert deepbet's two networks to ONNX, once: python weights/convert_deepbet.py [--image HEAD].

deepbet (MIT, doi:10.1016/j.compbiomed.2024.108845) carries a network that finds the box around
the brain and one that finds the brain in it, both as TorchScript inside its wheel. This script
reads them from an installed deepbet, exports them for any size that is a multiple of 32, writes
`weights/skull-strip/` and prints how far both engines are from torch. It needs

    pip install "latup[train]" && pip install --no-deps deepbet

and never imports deepbet itself, only its two files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from latup_cli.imaging.atomic import replacing, write_text
from latup_cli.imaging.nifti import read
from latup_cli.inference import onnxruntime_engine, openvino_engine
from latup_cli.inference.brain_models import BOX, BRAIN, BrainModels, load
from latup_cli.inference.models import Graph
from latup_cli.preprocess.skull_strip import look_at, scaled

TARGET = Path(__file__).parent / "skull-strip"
VERSION = "1.0.2"
OPSET = 18
STRIDE = 32
SOURCES = {
    # role: file in deepbet's wheel, its sha256, window
    BOX: (
        "bbox_model.pt",
        "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa",
        128,
    ),
    BRAIN: (
        "model.pt",
        "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
        256,
    ),
}


def source(role: str) -> Path:
    """The TorchScript file of a role in the installed deepbet, verified."""
    name, expected, _ = SOURCES[role]
    installed = metadata.distribution("deepbet")
    if installed.version != VERSION:
        sys.exit(f"deepbet {VERSION} is needed, not {installed.version}")
    path = next(Path(str(f.locate())) for f in installed.files or () if f.name == name)
    if sha256(path) != expected:
        sys.exit(f"{path} is not the file that was converted before")
    return path


def sha256(path: Path) -> str:
    """Of a whole file, in lower-case hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def export(network: torch.jit.ScriptModule, path: Path) -> None:
    """Write (1, 1, i, j, k) intensities to (1, 2, i, j, k) probabilities as ONNX."""
    axes = {2: "i", 3: "j", 4: "k"}
    with replacing(path) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own remarks
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, STRIDE, 2 * STRIDE, 3 * STRIDE),),
            beside,
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": axes, "probabilities": axes},
            opset_version=OPSET,
            dynamo=False,
        )


def convert(role: str) -> dict[str, object]:
    """Export one network; what `model.json` says of it."""
    path = TARGET / f"{role}.onnx"
    network = torch.jit.load(source(role), map_location="cpu").eval()
    export(network, path)
    name, converted_from, window = SOURCES[role]
    return {
        "weights": path.name,
        "sha256": sha256(path),
        "window": [window] * 3,
        "stride": STRIDE,
        "inputs": 1,
        "outputs": 2,
        "opset": OPSET,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "converted_from": name,
        "converted_from_sha256": converted_from,
    }


def describe(networks: dict[str, dict[str, object]]) -> None:
    """Write `model.json`."""
    content = {
        "name": TARGET.name,
        "version": "1",
        "source": f"deepbet {VERSION}, from PyPI",
        "license": "MIT, see LICENSE beside this file",
        "citation": "doi:10.1016/j.compbiomed.2024.108845",
        "networks": networks,
    }
    write_text(TARGET / "model.json", json.dumps(content, indent=2) + "\n")


def example(image: Path | None, size: int) -> npt.NDArray[np.float32]:
    """A real head squeezed into the window, or seeded noise."""
    if image is None:
        seen = np.random.default_rng(0).standard_normal((size,) * 3).astype(np.float32)
    else:
        seen = look_at(read(image).volume.data, (size,) * 3)
    low, high = np.percentile(seen, (0.5, 99.5))
    return scaled(seen, float(low), float(high))[None, None]


def agreement(role: str, graph: Graph, image: Path | None) -> None:
    """Print the largest difference in probability between torch and each engine."""
    window = example(image, graph.window[0])
    network = torch.jit.load(source(role), map_location="cpu").eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(window)).numpy()
    del network
    for name, engine in (("ONNX Runtime", onnxruntime_engine), ("OpenVINO", openvino_engine)):
        found = engine.open_on_cpu(graph)(window)
        off = np.abs(found - expected)
        flips = int(((found > 0.5) != (expected > 0.5))[0, 1].sum())  # noqa: PLR2004
        shown = image.name if image else "noise"
        print(f"{role:5} {name:12} {shown}: largest difference {off.max():.2e}, {flips} flips")


def main() -> None:
    """Convert, describe, and compare what was written with its source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, action="append", help="compare on this head too")
    parser.add_argument("--only-compare", action="store_true", help="write nothing")
    given = parser.parse_args()
    if not given.only_compare:
        describe({role: convert(role) for role in SOURCES})
    models: BrainModels = load()
    for image in (None, *(given.image or ())):
        agreement(BOX, models.box, image)
        agreement(BRAIN, models.brain, image)


if __name__ == "__main__":
    main()
