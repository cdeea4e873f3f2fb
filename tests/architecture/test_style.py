"""What every module, package and test owes its reader."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "latup_cli").rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))
PACKAGES = sorted(path.parent.name for path in (ROOT / "latup_cli").glob("*/__init__.py"))
LONGEST = 400


def parsed(path: str) -> ast.Module:
    """The syntax tree of a file of the checkout."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def requirements_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """Test functions and test methods."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [function for function in functions if function.name.startswith("test_")]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is_for(module: str) -> None:
    """The first line of every module is one sentence about its purpose."""
    said = ast.get_docstring(parsed(module))
    assert said
    assert said.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_at_once(module: str) -> None:
    """No module is longer than four hundred lines."""
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_every_package_is_on_the_map() -> None:
    """The tree in the README has a line for each package, such as `cli/`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^[^\w`]*(\w+)/\s", readme, re.MULTILINE))
    assert sorted(set(PACKAGES) - named) == []


@pytest.mark.parametrize("module", TESTS)
def test_a_test_states_its_requirement(module: str) -> None:
    """Every test function has a docstring of one line."""
    silent = [
        test.name
        for test in requirements_of(parsed(module))
        if len((ast.get_docstring(test) or "").splitlines()) != 1
    ]
    assert silent == []


def test_the_checkout_was_found() -> None:
    """The lists that the tests above go through are those of this package."""
    assert "latup_cli/domain/grid.py" in MODULES
    assert "tests/architecture/test_style.py" in TESTS
    assert {"cli", "workflows", "domain"} <= set(PACKAGES)
