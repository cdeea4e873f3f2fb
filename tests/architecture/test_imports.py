"""Imports point one way, and the command line starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "latup_cli"
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))
HEAVY = (
    "numpy",
    "torch",
    "onnxruntime",
    "openvino",
    "SimpleITK",
    "nibabel",
    "PIL",
    "onnx",
    "monai",
)

LINT = "from importlinter.cli import lint_imports_command as lint; lint()"

HELP = """
import runpy, sys
sys.argv = ["latup", *sys.argv[1:]]
try:
    runpy.run_module("latup_cli", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process at the root of the checkout."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def functions_that_import(path: Path) -> list[str]:
    """Functions, at any depth, with an import in them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        f"{path.name}: {function.name}"
        for function in functions
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    ]


def test_every_contract_of_the_layers_holds() -> None:
    """import-linter finds no import that points up, sideways, or at a library out of place."""
    done = python(LINT, "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["segment", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help answers in the time of starting Typer: no array, image or network library is loaded."""
    done = python(HELP, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    loaded = done.stderr.split()
    assert "typer" in loaded
    assert sorted(set(HEAVY) & set(loaded)) == []


LATE = (
    "latup_cli/cli/",
    "latup_cli/workflows/",
    "latup_cli/intake/find.py",
    "latup_cli/intake/load.py",
)
"""Commands and workflows, and intake, which loads the DICOM libraries only for DICOM."""


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(LATE)])
def test_imports_stand_at_the_top(module: str) -> None:
    """Only who chooses what to run imports inside a function, when it has chosen."""
    assert functions_that_import(ROOT / module) == []


def test_an_import_in_a_function_would_be_found(tmp_path: Path) -> None:
    """The search sees imports in methods and nested functions."""
    late = tmp_path / "late.py"
    late.write_text("class A:\n def f(self):\n  def g():\n   import os\n  return g\n")
    assert functions_that_import(late) == ["late.py: f", "late.py: g"]
