"""A study of many patients with every kind of bad one among them, run twice.

Usage: python benchmarks/batch_hundred.py [--patients N] [--jobs N]

Prints how many were done and failed, the reasons, the exit codes, and the seconds of the first
and the second run. Exit status 1 if a good patient failed, a bad one was done or has no reason,
the exit code is not 8, or the second run did something or took a tenth of the time or more.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from batch_study import write_study
from fuzz import small_model
from kills import command, masks


def timed(words: list[str]) -> tuple[int, float]:
    """Exit code and seconds of a command."""
    started = time.monotonic()
    code = subprocess.run(words, check=False).returncode
    return code, time.monotonic() - started


def main() -> None:
    """Write the study, run it twice, and check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="latup-hundred-") as scratch:
        root = Path(scratch)
        model = small_model(root / "model")
        spoiled = write_study(root / "study", given.patients, bad_every=5)
        words = [*command(root / "study", root / "out", model), "--jobs", str(given.jobs)]
        first, first_s = timed(words)
        before = masks(root / "out")
        times = {path: path.stat().st_mtime_ns for path in root.glob("out/*/*")}
        second, second_s = timed(words)
        unchanged = times == {path: path.stat().st_mtime_ns for path in root.glob("out/*/*")}
        with (root / "out" / "failures.csv").open(encoding="utf-8", newline="") as file:
            failures = {row["patient"]: row for row in csv.DictReader(file)}
    right = set(failures) == set(spoiled) and all(row["message"] for row in failures.values())
    right &= len(before) == given.patients - len(spoiled)
    for error, count in sorted(Counter(row["error"] for row in failures.values()).items()):
        print(f"{count:>4}  {error}")
    print(f"{len(before)} done, {len(failures)} failed, all as they should be: {right}")
    print(f"first run: exit code {first}, {first_s:.1f} s")
    print(f"second run: exit code {second}, {second_s:.1f} s ({second_s / first_s:.1%}), ", end="")
    print(f"nothing done: {unchanged}")
    sys.exit(0 if right and first == second == 8 and unchanged and second_s < first_s / 10 else 1)


if __name__ == "__main__":
    main()
