"""Print the largest activation of each layer of a model on one patient, against float16's range.

Usage: python benchmarks/activations.py CASE [--model NAME | --weights DIR]

CASE is a folder that `latup segment` reads. LATUP-Net activates before it normalizes, so values
grow between two normalizations; what exceeds 65,504 is infinite in float16.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from latup_cli.config import DEFAULT_MODEL, SegmentSettings
from latup_cli.inference.models import chosen_model
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.training.checkpoint import load_weights

SHOWN = 8


def largest(network: nn.Module, image: Tensor) -> dict[str, float]:
    """Layer to its largest absolute value, for (1, channels, i, j, k)."""
    found: dict[str, float] = {}

    def watch(name: str, layer: nn.Module) -> None:
        layer.register_forward_hook(
            lambda _module, _given, out: found.update({name: float(out.abs().max())})
        )

    for name, layer in network.named_modules():
        if not any(layer.children()):
            watch(name, layer)
    with torch.inference_mode():
        network(image)
    return found


def main() -> None:
    """Print the layers with the largest values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    given = parser.parse_args()
    model = chosen_model(SegmentSettings(model=given.model, weights=given.weights))
    study = prepare(as_aligned(load_study(find_study(given.case))), model.spec)
    stride = model.spec.stride
    window = tuple(slice(0, n // stride * stride) for n in study.image.shape[1:])
    image = torch.from_numpy(study.image[(slice(None), *window)].copy())[None]
    network = load_weights(model.path.with_name("model.pt")).eval()
    found = largest(network, image)
    range_of = torch.finfo(torch.float16).max
    beyond = sum(value > range_of for value in found.values())
    print(f"{model.spec.name} {model.spec.version}: {beyond} layers beyond {range_of:,.0f}")
    for name in sorted(found, key=lambda name: -found[name])[:SHOWN]:
        print(f"{name:<24}{found[name]:16,.1f}")


if __name__ == "__main__":
    main()
