"""Kill `latup batch` with signal 9 at random moments and compare with an undisturbed run.

Usage: python benchmarks/kills.py [--patients N] [--kills N] [--seed N]

Writes a synthetic study, segments it with a small network once undisturbed and once with kills,
each followed by the same command again, and compares the masks byte for byte. Exit status 1
if they differ, if a mask was lost, or if anything half-written is left.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from batch_study import write_study
from fuzz import small_model


def command(study: Path, output: Path, model: Path) -> list[str]:
    """`latup batch` on the CPU."""
    words = ["batch", str(study), "-o", str(output), "--weights", str(model), "--force", "-q"]
    engine = ["--device", "cpu", "--engine", "onnxruntime"]
    return [sys.executable, "-m", "latup_cli", *words, *engine]


def masks(output: Path) -> dict[str, bytes]:
    """Name of each mask's file to its bytes."""
    return {path.name: path.read_bytes() for path in sorted(output.glob("*/*_seg.nii.gz"))}


def kill_once(words: list[str], after_s: float) -> bool:
    """Kill the run, workers and all, after a while; False if it had ended before."""
    with subprocess.Popen(words, start_new_session=True) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
    return False


def kill_again_and_again(
    words: list[str], output: Path, expected: dict[str, bytes], moments_s: list[float]
) -> None:
    """Kill the run at each moment; end the script if a mask is broken or lost."""
    kept = 0
    for number, after_s in enumerate(moments_s, start=1):
        end = "killed" if kill_once(words, after_s) else "had ended"
        found = masks(output)
        broken = [name for name, content in found.items() if content != expected[name]]
        print(f"{number:>3}. {end} after {after_s:.1f} s: {len(found)} masks", flush=True)
        if broken or len(found) < kept:
            sys.exit(f"broken: {broken}; masks before: {kept}")
        kept = len(found)


def main() -> None:
    """Run, kill, run again, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory(prefix="latup-kills-") as scratch:
        root = Path(scratch)
        model = small_model(root / "model")
        write_study(root / "study", given.patients)
        started = time.monotonic()
        subprocess.run(command(root / "study", root / "whole", model), check=True)
        whole_s = time.monotonic() - started
        expected = masks(root / "whole")
        words = command(root / "study", root / "killed", model)
        moments_s = (random.uniform(0.03, 0.25, given.kills) * whole_s).tolist()
        kill_again_and_again(words, root / "killed", expected, moments_s)
        subprocess.run(words, check=True)
        same = masks(root / "killed") == expected
        left = [path.name for path in (root / "killed").rglob(".*")]
    print(f"{len(expected)} patients, {given.kills} kills; undisturbed run {whole_s:.1f} s")
    print(f"masks equal byte for byte: {same}; left half-written: {left or 'nothing'}")
    sys.exit(0 if same and not left and len(expected) == given.patients else 1)


if __name__ == "__main__":
    main()
