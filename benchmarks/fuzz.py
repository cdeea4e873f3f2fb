"""Run damaged studies through `latup segment` and print the table of exit codes.

Usage: python benchmarks/fuzz.py [--count 1000] [--seed 0] [--seconds BOUND] [--json]

Each case is a small study, stored in one of several ways, in which bytes were flipped or cut,
header fields exchanged or made extreme, or files exchanged or taken away. The network is an
untrained LATUP-Net with four filters. A study may be segmented (exit code 0) or refused (3, 4);
everything else is a violation: another exit code, a traceback, a crash of native code, a case that
does not end or needs more than 8 GB, a changed input, a file that a refusal leaves behind, the
patient's name in a message or a result. Violations are listed with the command that repeats them,
and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from fuzz_worker import Case, prepare

from latup_cli.training.export import export_model
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.settings import TrainSettings

WORKER = Path(__file__).with_name("fuzz_worker.py")
PER_WORKER = 100
CASE_SECONDS = 300.0
FILTERS = 4
MEANINGS = {0: "segmented", 3: "refused: input", 4: "refused: quality check"}


class Worker:
    """A process that runs cases, so that a crash of native code is seen and not suffered."""

    def __init__(self, seed: int, model: Path) -> None:
        command = [sys.executable, "-X", "faulthandler", str(WORKER), str(seed), str(model)]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def run(self, index: int) -> Case:
        """One case; whatever ends the process instead is a violation."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{index}\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=CASE_SECONDS)
        except queue.Empty:
            self.process.kill()
            self.process.wait()
            return Case(index, (), "", None, "", (f"did not end in {CASE_SECONDS:.0f} s",))
        except BrokenPipeError:
            line = ""
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace").strip()
            return Case(index, (), "", None, said[-500:], (f"crashed with status {status}",))
        fields = json.loads(line)
        return Case(**{**fields, **{k: tuple(fields[k]) for k in ("damages", "violations")}})

    @property
    def works(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def close(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.listener.join()
        self.errors.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line)
        self.lines.put("")


def small_model(folder: Path) -> Path:
    """Export an untrained network with four filters."""
    torch.manual_seed(0)
    settings = TrainSettings(
        name="fuzz", spacing_mm=2.0, validation_window=(32, 40, 32), filters=FILTERS
    )
    export_model(LatupNet(NetworkConfig(filters=FILTERS)), settings, {}, folder)
    return folder


def run_cases(seed: int, count: int, seconds: float | None, model: Path) -> Iterator[Case]:
    """Every case in order, until the time is up."""
    started = time.monotonic()
    worker = Worker(seed, model)
    for index in range(count):
        if seconds is not None and time.monotonic() - started > seconds:
            break
        if not worker.works or (index and index % PER_WORKER == 0):
            worker.close()
            worker = Worker(seed, model)
        yield worker.run(index)
    worker.close()


def summary(cases: list[Case], seed: int, seconds: float) -> dict[str, object]:
    """Counts, and every violation with the command that repeats it."""
    codes = Counter("none" if case.code is None else str(case.code) for case in cases)
    damages: dict[str, Counter[str]] = {}
    for case in cases:
        for name in set(case.damages):
            damages.setdefault(name, Counter())[str(case.code)] += 1
    return {
        "seed": seed,
        "count": len(cases),
        "seconds": round(seconds, 1),
        "exit_codes": dict(sorted(codes.items())),
        "damages": {name: dict(sorted(found.items())) for name, found in sorted(damages.items())},
        "violations": [
            {
                **asdict(case),
                "repeat": f"python benchmarks/fuzz.py --seed {seed} --only {case.index}",
            }
            for case in cases
            if case.violations
        ],
    }


def show(cases: list[Case], seed: int, seconds: float) -> None:
    """The table of exit codes, and what must not be."""
    print(f"{'exit code':>9}{'cases':>8}  meaning")
    for code, number in sorted(Counter(case.code for case in cases).items(), key=str):
        meaning = "no exit" if code is None else MEANINGS.get(code, "must not be")
        print(f"{code!s:>9}{number:>8}  {meaning}")
    bad = [case for case in cases if case.violations]
    print(f"{len(cases)} cases of seed {seed} in {seconds:.0f} s: {len(bad)} violations")
    for case in bad:
        print(f"\n{'; '.join(case.violations)}\n  {', '.join(case.damages)} ({case.stored})")
        print(f"  {case.said}\n  python benchmarks/fuzz.py --seed {seed} --only {case.index}")


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="start no case after so long")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--only", type=int, metavar="INDEX", help="run one case")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write that case's study there")
    given = parser.parse_args()
    if given.keep:
        prepare(given.keep, given.seed, given.only or 0)
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="latup-fuzz-model-"))
    try:
        model = small_model(scratch)
        if given.only is None:
            cases = list(run_cases(given.seed, given.count, given.seconds, model))
        else:
            worker = Worker(given.seed, model)
            cases = [worker.run(given.only)]
            worker.close()
    finally:
        shutil.rmtree(scratch)
    seconds = time.monotonic() - started
    if given.json:
        print(json.dumps(summary(cases, given.seed, seconds), indent=2))
    else:
        show(cases, given.seed, seconds)
    sys.exit(1 if any(case.violations for case in cases) else 0)


if __name__ == "__main__":
    main()
