"""Print the seconds of one training step by precision, memory layout and allocator.

Usage: python benchmarks/train_step.py [--size 64 64 64] [--steps 4]

Every variant runs in a process of its own, because the allocator is set once per process. Each
line names the median of the steps after the first, which warms up.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import torch

from latup_cli.training.allocator import keep_freed_memory
from latup_cli.training.hardware import Place
from latup_cli.training.loss import RegionLoss
from latup_cli.training.network import LatupNet, NetworkConfig


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to take a step."""

    precision: str
    channels_last: bool
    keeps_memory: bool

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "channels first"
        memory = "memory kept" if self.keeps_memory else "memory given back"
        return f"{self.precision}, {layout}, {memory}"


VARIANTS = tuple(
    Variant(precision, channels_last, keeps_memory)
    for precision in ("float32", "bfloat16")
    for channels_last in (False, True)
    for keeps_memory in (False, True)
)


def seconds(variant: Variant, size: tuple[int, int, int], steps: int) -> float:
    """Median seconds of forward and backward on one seeded crop."""
    if variant.keeps_memory:
        keep_freed_memory()
    torch.manual_seed(0)
    layout = torch.channels_last_3d if variant.channels_last else torch.contiguous_format
    network = LatupNet(NetworkConfig()).to(memory_format=layout)  # type: ignore[call-overload]
    image = torch.randn(1, 4, *size).contiguous(memory_format=layout)
    target = torch.rand(1, 3, *size)
    loss_of, place, taken = RegionLoss(1.0), Place("cpu", variant.precision), []
    for _ in range(steps + 1):
        started = time.perf_counter()
        with place.autocast():
            logits = network(image)
        loss_of(logits, target).backward()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def main() -> None:
    """Run every variant, or the one that a child process is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=3, default=(64, 64, 64))
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--variant", type=int, help="used by the script itself")
    given = parser.parse_args()
    if given.variant is not None:
        print(seconds(VARIANTS[given.variant], tuple(given.size), given.steps))
        return
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for number, variant in enumerate(VARIANTS):
        command = [sys.executable, *sys.argv, "--variant", str(number)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"{float(done.stdout):6.2f} s  {variant}", flush=True)


if __name__ == "__main__":
    main()
