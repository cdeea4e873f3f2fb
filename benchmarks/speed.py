"""Print wall time, CPU time and peak memory of `latup segment` and of what else one could use.

Usage: python benchmarks/speed.py [CASE] [--threads N] [--rounds 3 | --quick]
                                  [--only WORD ...] [--markdown FILE] [--growth]

CASE is a folder that `latup segment` reads; by default the sample. Every contender is a process
of its own, from the shell to the mask on the disk, with the same number of threads. They take
turns, so that what else the machine does hits all alike, and the median counts. The peers
(MONAI's SegResNet, nnU-Net's plain U-Net, and LATUP-Net itself by MONAI's sliding windows) stand
in benchmarks/peers/ and have random weights: only their cost is measured. They need the extra
`bench`. With --growth, cost by the volume of the brain, and by the number of windows, instead.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from growth import growth_table

from latup_cli.config import sample_root, weights_root
from latup_cli.inference.model_json import read_spec
from latup_cli.inference.models import shipped_models
from latup_cli.intake.find import find_study
from latup_cli.labels import MODALITIES

PEERS = {
    "SegResNet, one pass": "segresnet.py",
    "nnU-Net's plain U-Net, tiles of 128^3": "nnunet_plain.py",
    "LATUP-Net at 1 mm, windows of 128^3": "latup_monai.py",
}
BASE = "SegResNet, one pass"
"""What the times are compared with."""

VERSIONS = ("latup", "openvino", "torch", "monai", "dynamic-network-architectures", "numpy")
_PEERS_AT = Path(__file__).with_name("peers")
_MIB = 1 << 20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that turns four files into a mask.

    Attributes:
        name: In the table.
        command: What runs it.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Attributes:
        wall_s: From start to end of the process, in seconds.
        cpu_s: Seconds of all its threads, in its own code and the system's.
        peak_mib: The most memory that it held at once, in MiB.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


def measured(command: Sequence[str], threads: int) -> Cost:
    """Run a command to its end and ask the system what it took.

    Raises:
        SystemExit: If it fails; its own words are shown.
    """
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **limits})
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read().decode(errors='replace')}")
    peak = usage.ru_maxrss * _MAXRSS_UNIT / _MIB
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak)


def latup(case: Path, output: Path, *options: str) -> tuple[str, ...]:
    """A command line of `latup segment`."""
    command = (sys.executable, "-m", "latup_cli", "segment", str(case), "-o", str(output))
    return (*command, "--overwrite", *options)


def contenders(case: Path, folder: Path, threads: int) -> list[Contender]:
    """Every shipped model at every precision that it was measured in, then the peers."""
    found = []
    limit = ("--device", "cpu", "--threads", str(threads))
    for model in shipped_models():
        spec = read_spec(weights_root() / model / "model.json")
        for precision in ("default", "float32", *spec.precisions):
            asked = () if precision == "default" else ("--precision", precision)
            command = latup(case, folder / model, "--model", model, *limit, *asked)
            found.append(Contender(f"latup segment, {model}, {precision}", command))
    files = [str(find_study(case).modalities[modality].path) for modality in MODALITIES]
    for name, script in PEERS.items():
        mask = str(folder / f"{script}.nii.gz")
        command = (sys.executable, str(_PEERS_AT / script), *files, mask)
        found.append(Contender(name, (*command, "--threads", str(threads))))
    return found


def take_turns(running: Sequence[Contender], rounds: int, threads: int) -> dict[str, list[Cost]]:
    """Run all of them, then all of them again."""
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in running}
    for number in range(1, rounds + 1):
        for contender in running:
            cost = measured(contender.command, threads)
            costs[contender.name].append(cost)
            print(f"{number}/{rounds} {contender.name}: {cost.wall_s:.2f} s", file=sys.stderr)
    return costs


def table(costs: dict[str, list[Cost]]) -> str:
    """Medians as a Markdown table, with times as shares of the SegResNet's."""
    lines = [
        "| whole process | wall, s | CPU, s | peak memory, MiB | times faster than SegResNet |",
        "|---|---|---|---|---|",
    ]
    median = {name: _median(found) for name, found in costs.items()}
    for name, cost in median.items():
        faster = f"{median[BASE].wall_s / cost.wall_s:.2f}" if BASE in median else ""
        lines.append(
            f"| {name} | {cost.wall_s:.2f} | {cost.cpu_s:.2f} | {cost.peak_mib:,.0f} | {faster} |"
        )
    return "\n".join(lines)


def machine(threads: int) -> str:
    """The processor and the versions, in one line."""
    versions = []
    for name in VERSIONS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    cores = f"{os.cpu_count()} cores, {threads} threads"
    return f"{processor()}, {cores}; Python {platform.python_version()}, {', '.join(versions)}"


def processor() -> str:
    """The processor's name, and on Linux what it can do that matters here."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in info.read_text(encoding="utf-8").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    abilities = set(facts.get("flags", "").split())
    useful = [
        name for name in ("amx_int8", "avx512_bf16", "avx512_vnni", "avx2") if name in abilities
    ]
    return f"{facts.get('model name', platform.machine())} ({', '.join(useful)})"


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        max(cost.peak_mib for cost in costs),
    )


def _options() -> argparse.Namespace:
    sample = next(path for path in (sample_root() / "brats-like").iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path, nargs="?", default=sample)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", nargs="+", help="contenders whose name holds one of these words")
    parser.add_argument("--markdown", type=Path, help="write the table there too")
    parser.add_argument("--growth", action="store_true", help="cost by the brain's volume")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if given.growth:
            made = growth_table(
                given.case, folder, lambda command: measured(command, given.threads)
            )
        else:
            running = [
                contender
                for contender in contenders(given.case, folder, given.threads)
                if given.only is None or any(word in contender.name for word in given.only)
            ]
            made = table(take_turns(running, 1 if given.quick else given.rounds, given.threads))
    text = f"{made}\n\n{machine(given.threads)}; case `{given.case.name}`\n"
    print(text)
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
