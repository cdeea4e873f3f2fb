"""Run `latup segment` with less and less memory: the same mask to the byte, or a refusal.

Usage: python benchmarks/little_memory.py [CASE] [--model NAME] [--limits 4096 2048 1024 512]

CASE is a folder that `latup segment` reads; by default the sample. Limits are in MiB, of the
address space (`ulimit -v`), and of a control group where this user may make one (Linux, as root).
Each row tells the exit code, whether the mask equals that of the first run, which has no limit,
and what was said. Exits with 1 if a mask differs, or if a run was killed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from latup_cli.config import DEFAULT_MODEL, sample_root

MIB = 1 << 20
GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Where control groups are, in both versions, and the file that limits memory."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Exit code.
        mask: SHA-256 of the mask; empty if there is none.
        said: The last line on stderr.
    """

    code: int
    mask: str
    said: str


def run(case: Path, model: str, limited: Callable[[], None]) -> Ended:
    """Segment a case in a process that limits itself before it starts."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "latup_cli", "segment", str(case), "-o", scratch]
        done = subprocess.run(
            [*command, "--model", model, "--device", "cpu"],
            capture_output=True,
            check=False,
            text=True,
            preexec_fn=limited,
        )
        masks = [path.read_bytes() for path in Path(scratch).glob("*_seg.nii.gz")]
        digest = hashlib.sha256(masks[0]).hexdigest() if masks else ""
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Ended(done.returncode, digest, next(iter(lines), ""))


def by_address_space(mib: int) -> None:
    """Limit this process's address space."""
    resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB))


@contextmanager
def control_group() -> Iterator[tuple[Path, str] | None]:
    """A control group of our own and its limit's file; None where there can be none."""
    for root, limit in GROUPS:
        group = root / f"latup-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / limit).exists():
                yield group, limit
                return
        finally:
            group.rmdir()
    yield None


def joining(group: Path) -> Callable[[], None]:
    """What puts a process into a group."""

    def join() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    return join


def ways(
    limits: list[int], group: tuple[Path, str] | None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every limit by name, and what sets it; a group's limit is set when its turn comes."""
    for mib in limits:
        yield f"address space, {mib:,} MiB", partial(by_address_space, mib)
    if group is None:
        return
    folder, limit = group
    for mib in limits:
        (folder / limit).write_text(str(mib * MIB), encoding="ascii")
        yield f"control group, {mib:,} MiB", joining(folder)


def main() -> None:
    """Run, compare and print."""
    sample = next(path for path in (sample_root() / "brats-like").iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path, nargs="?", default=sample)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--limits", type=int, nargs="+", default=[8192, 4096, 2048, 1024, 512])
    given = parser.parse_args()
    free = run(given.case, given.model, lambda: None)
    if free.code:
        sys.exit(f"without a limit: exit {free.code}: {free.said}")
    print("| limit | exit code | mask | said |\n|---|---|---|---|")
    print(f"| none | {free.code} | {free.mask[:12]} | |")
    wrong = 0
    with control_group() as group:
        for name, limited in ways(sorted(given.limits, reverse=True), group):
            ended = run(given.case, given.model, limited)
            same = "the same" if ended.mask == free.mask else "ANOTHER"
            print(f"| {name} | {ended.code} | {same if ended.mask else 'none'} | {ended.said} |")
            wrong += (bool(ended.mask) and ended.mask != free.mask) or ended.code < 0
    if wrong:
        sys.exit(f"{wrong} runs gave another mask or died")


if __name__ == "__main__":
    main()
