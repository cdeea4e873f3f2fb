"""Count the arithmetic of one forward pass, as the README quotes it.

Usage: python benchmarks/flops.py [--json]

A multiply-add counts as two operations. Convolutions and linear layers are counted; biases,
activations, normalization, pooling and upsampling are not. Nothing is computed: the networks
run on PyTorch's meta device, where tensors have a shape and no content.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from latup_cli.training.network import LatupNet, NetworkConfig, parameter_count

Size = tuple[int, int, int, int]
"""Channels, then voxels along i, j, k."""

SIZE: Size = (4, 128, 128, 128)
COUNTED = (
    "a multiply-add counted as two; convolutions and linear layers; "
    "biases, activations, normalization, pooling and upsampling not counted"
)

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "latup-net": lambda: LatupNet(NetworkConfig()),
    "latup-net-fast": lambda: LatupNet(
        NetworkConfig(filters=8, deep_filters=(24, 32), fold=2),
    ),
}
"""Name to a function that makes the network for four modalities."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one network takes.

    Attributes:
        name: The network.
        parameters: Learned numbers.
        flop: Operations of one forward pass, batch of one.
    """

    name: str
    parameters: int
    flop: int

    @property
    def gflop(self) -> float:
        """Thousand millions of operations."""
        return self.flop / 1e9


def cost(name: str, size: Size = SIZE) -> Cost:
    """Count one of `NETWORKS` at one input size.

    Raises:
        KeyError: If there is no network of that name.
    """
    with torch.device("meta"), torch.inference_mode():
        network = NETWORKS[name]().eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, *size))
    return Cost(name, parameter_count(network), int(counter.get_total_flops()))


def table(costs: Iterable[Cost], size: Size) -> str:
    """One line per network, below a line that says what is in it."""
    lines = [f"# NAME PARAMETERS GFLOP@{'x'.join(map(str, size))} ({COUNTED})"]
    lines += [f"{c.name} {c.parameters:,} {c.gflop:,.4g}" for c in costs]
    return "\n".join(lines)


def record(costs: Iterable[Cost], size: Size) -> str:
    """The same for machines."""
    rows = [{"name": c.name, "parameters": c.parameters, "flop": c.flop} for c in costs]
    return json.dumps({"input": [1, *size], "counted": COUNTED, "networks": rows}, indent=2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or with --json the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a record for machines")
    show = record if parser.parse_args(arguments).json else table
    print(show([cost(name) for name in NETWORKS], SIZE))


if __name__ == "__main__":
    main()
