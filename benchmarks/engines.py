"""Time a model in each engine and precision, interleaved, and measure its memory per voxel.

Usage: python benchmarks/engines.py [--weights DIR] [--window 96x96x96 ...] [--rounds 5] [--memory]

Prints the median seconds of one window, on the clock and of processors, and their ratios to those
of OpenVINO in float32. Every round runs each of them once, so that the load of a shared machine
changes ratios less than seconds, and those of processors least; with --threads 1 no thread that
only waits is counted. With --memory, prints how much the resident memory of a process grows at its
peak by opening and running the network, per voxel of the window.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from latup_cli.config import (
    BFLOAT16,
    DEFAULT_MODEL,
    FLOAT32,
    INT8,
    Device,
    InferenceSettings,
    weights_root,
)
from latup_cli.inference.models import Graph, load_model
from latup_cli.inference.precision import computes_in_bfloat16
from latup_cli.inference.processor import read_processor
from latup_cli.inference.windows import Array
from latup_cli.workflows.engines import Opened, open_engine

WAYS = (
    ("openvino", FLOAT32),
    ("openvino", BFLOAT16),
    ("openvino", INT8),
    ("onnxruntime", FLOAT32),
)


def ways(graph: Graph) -> list[tuple[str, str]]:
    """Engines and precisions that the model has weights for, and this processor computes in."""
    possible = {FLOAT32, *({INT8} & set(graph.precisions))}
    if computes_in_bfloat16(read_processor()):
        possible.add(BFLOAT16)
    return [way for way in WAYS if way[1] in possible]


def opened(graph: Graph, engine: str, precision: str, threads: int = 0) -> Opened:
    """The network on the CPU, with nothing foreseen, so that every size can be tried."""
    settings = InferenceSettings(
        device=Device("cpu"), engine=engine, precision=precision, threads=threads
    )
    return open_engine(replace(graph, bytes_per_voxel={}), settings)


def noise(graph: Graph) -> Array:
    """(1, channels, *window) seeded noise."""
    size = (1, graph.inputs, *graph.window)
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


def interleaved(
    runs: dict[tuple[str, str], Callable[[Array], Array]], window: Array, rounds: int
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Seconds of each in turn, on the clock and of processors; a first round does not count."""
    seconds: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in runs}
    for number in range(rounds + 1):
        for way, predict in runs.items():
            clock, busy = time.perf_counter(), time.process_time()
            predict(window)
            if number:
                seconds[way].append((time.perf_counter() - clock, time.process_time() - busy))
    return seconds


def show(graph: Graph, rounds: int, threads: int) -> None:
    """Print the table of one window."""
    runs: dict[tuple[str, str], Callable[[Array], Array]] = {
        way: opened(graph, *way, threads).predict for way in ways(graph)
    }
    seconds = interleaved(runs, noise(graph), rounds)
    base = list(zip(*seconds[WAYS[0]], strict=True))
    print(
        f"window {' x '.join(map(str, graph.window))}, {rounds} rounds, threads {threads or 'all'}"
    )
    print(f"{'engine':<14}{'precision':<12}{'clock s':>9}{'ratio':>8}{'busy s':>9}{'ratio':>8}")
    for (engine, precision), pairs in seconds.items():
        row = ""
        for times, theirs in zip(zip(*pairs, strict=True), base, strict=True):
            ratio = statistics.median(a / b for a, b in zip(times, theirs, strict=True))
            row += f"{statistics.median(times):9.2f}{ratio:8.2f}"
        print(f"{engine:<14}{precision:<12}{row}", flush=True)


def memory_per_voxel(directory: Path) -> dict[str, float]:
    """Engine and precision to bytes per voxel of the model's window, each in its own process."""
    graph = load_model(directory).graph
    found = {}
    for engine, precision in ways(graph):
        command = [sys.executable, __file__, "--weights", str(directory)]
        done = subprocess.run(
            [*command, "--grows-by", engine, precision], capture_output=True, check=True, text=True
        )
        found[f"{engine} {precision}"] = round(json.loads(done.stdout), 1)
    return found


def grows_by(graph: Graph, engine: str, precision: str) -> float:
    """Bytes per voxel by which the process grows at its peak by opening and running a network."""
    opened(replace(graph, window=(graph.stride,) * 3), engine, precision)  # libraries are loaded
    window = noise(graph)
    before = peak()
    opened(graph, engine, precision).predict(window)
    return float((peak() - before) / window[0, 0].size)


def peak() -> int:
    """Bytes that this process has had in memory at once.

    What `getrusage` says on Linux starts at the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
        if line:
            return int(line[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=weights_root() / DEFAULT_MODEL)
    parser.add_argument("--window", nargs="+", default=[], help="such as 96x96x96")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--grows-by", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    graph = load_model(given.weights).graph
    if given.grows_by:
        print(grows_by(graph, *given.grows_by))
        return
    if given.memory:
        print(json.dumps(memory_per_voxel(given.weights), indent=2))
        return
    for window in [*given.window, "x".join(map(str, graph.window))]:
        i, j, k = map(int, window.split("x"))
        show(replace(graph, window=(i, j, k)), given.rounds, given.threads)


if __name__ == "__main__":
    main()
