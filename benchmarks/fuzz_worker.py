"""Run damaged studies through `latup segment` in this process, one for each line of its input.

Started by fuzz.py with the seed and the model's folder. Each line is the index of a case; the
answer is one line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from fuzz_damage import Damage, draw
from fuzz_study import write_good_study
from typer.testing import CliRunner, Result

from latup_cli.cli.app import app
from latup_cli.imaging.nifti import read_labels

EXPECTED = (0, 3, 4)
PATIENT = "ROE^JANE 19610412"
PRIVATE = ("ROE", "JANE", "1961")
RESULTS = ("_report.csv", "_report.json", "_seg.nii.gz")
MOST_MEMORY = 8 << 30
CHANNELS = "flair,t1,t1ce,t2"


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged study and what came of it.

    Attributes:
        index: Which case of the seed.
        damages: What was wrong.
        stored: How the study was stored.
        code: The exit code; None if there was none.
        said: The first line of the error.
        violations: What must not be.
    """

    index: int
    damages: tuple[str, ...]
    stored: str
    code: int | None
    said: str
    violations: tuple[str, ...]


def prepare(root: Path, seed: int, index: int) -> tuple[Path, tuple[Damage, ...], str]:
    """Write the study of a case; the same for the same seed and index."""
    random = np.random.default_rng([seed, index])
    folder = root / PATIENT
    facts = write_good_study(folder, random)
    damages = draw(random)
    for damage in damages:
        damage.apply(folder)
    return folder, damages, ", ".join(facts.values())


def run(seed: int, index: int, model: Path) -> Case:
    """One case from its files to its verdict."""
    with tempfile.TemporaryDirectory(prefix="latup-fuzz-") as scratch:
        root = Path(scratch)
        folder, damages, stored = prepare(root, seed, index)
        before = tree(root)
        output = root / "out"
        options = ["--channels", CHANNELS] if stored.startswith("4-D") else []
        result = CliRunner().invoke(app, command(folder, output, model) + options)
        found = (
            *check_code(result),
            *check_files(result, root, before),
            *check_names(result, root),
        )
        said = next((line for line in result.stderr.splitlines() if line.startswith("Error")), "")
        names = tuple(damage.name for damage in damages)
        return Case(index, names, stored, result.exit_code, said, tuple(found))


def command(folder: Path, output: Path, model: Path) -> list[str]:
    """What is typed after `latup`."""
    places = ["segment", str(folder), "-o", str(output), "--weights", str(model)]
    return [*places, "--device", "cpu", "--engine", "onnxruntime"]


def check_code(result: Result) -> list[str]:
    """Only a result or a refusal of the input, said in one line with a hint."""
    violations = []
    if result.exit_code not in EXPECTED:
        violations.append(f"exit code {result.exit_code}")
    raised = result.exception
    if raised is not None and not isinstance(raised, SystemExit):
        violations.append(f"raised {type(raised).__name__}")
    if "Traceback" in result.output:
        violations.append("printed a traceback")
    if result.exit_code in EXPECTED[1:]:
        starts = [line.partition(":")[0] for line in result.stderr.splitlines()]
        if starts != ["Error", "Hint"]:
            violations.append(f"said {result.stderr!r}")
    return violations


def check_files(result: Result, root: Path, before: dict[str, bytes]) -> list[str]:
    """The inputs are as they were; a result is whole, and a refusal leaves nothing."""
    after = tree(root)
    made = sorted(set(after) - set(before))
    violations = [f"changed {path}" for path in before if after.get(path) != before[path]]
    if result.exit_code != 0:
        return violations + [f"left {path}" for path in made]
    if len(made) != 4 or not all(map(str.endswith, made[1:], RESULTS)):
        return [*violations, f"wrote {made}"]
    read_labels(root / made[-1])
    return violations


def check_names(result: Result, root: Path) -> list[str]:
    """The patient's name is in no message of a refusal and in no result."""
    violations = []
    if result.exit_code != 0:
        violations = [f"said {word}" for word in PRIVATE if word in result.output]
    for path in (root / "out").glob("*"):
        content = path.name.encode() + (path.read_bytes() if path.suffix != ".gz" else b"")
        violations += [f"wrote {word}" for word in PRIVATE if word.encode() in content]
    return violations


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below a folder: relative path to content."""
    return {
        path.relative_to(folder).as_posix(): _content(path) for path in sorted(folder.rglob("*"))
    }


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return b"-> " + str(path.readlink()).encode()
    return path.read_bytes() if path.is_file() else b"/"


def limit_memory() -> None:
    """Let whoever asks for more than 8 GB be refused, where the system can do that."""
    if find_spec("resource") is not None:
        resource = import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def main() -> None:
    """Answer each index with its case."""
    limit_memory()
    seed, model = int(sys.argv[1]), Path(sys.argv[2])
    for line in sys.stdin:
        print(json.dumps(asdict(run(seed, int(line), model))), flush=True)


if __name__ == "__main__":
    main()
