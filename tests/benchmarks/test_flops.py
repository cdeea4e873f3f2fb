"""The figures for arithmetic are counted, and counted right."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "flops.py"

# Convolutions of arXiv:2404.05911: how often, kernel, channels in, channels out, scale.
CONVOLUTIONS = (
    (1, 3, 4, 32, 1),
    (1, 1, 32, 32, 1),
    (1, 3, 32, 32, 1),
    (1, 5, 32, 32, 1),
    (1, 3, 96, 64, 2),
    (1, 3, 64, 64, 2),
    (1, 3, 64, 128, 4),
    (1, 3, 128, 128, 4),
    (1, 2, 128, 128, 4),
    (1, 3, 256, 128, 4),
    (1, 3, 128, 128, 4),
    (1, 2, 128, 64, 2),
    (1, 3, 128, 64, 2),
    (1, 3, 64, 64, 2),
    (1, 2, 64, 32, 1),
    (1, 3, 64, 32, 1),
    (1, 3, 32, 32, 1),
    (1, 1, 32, 4, 1),
)
ATTENTIONS = (96, 64, 128, 128, 64, 32)


@pytest.fixture(scope="module")
def flops() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("flops", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["flops"] = module
    spec.loader.exec_module(module)
    return module


def by_hand(i: int, j: int, k: int) -> int:
    """Twice the multiply-adds of every convolution and linear layer in the paper's table."""
    voxels = i * j * k
    convolutions = sum(
        2 * times * kernel**3 * channels * out * voxels // scale**3
        for times, kernel, channels, out, scale in CONVOLUTIONS
    )
    return convolutions + sum(2 * 2 * c * (c // 8) for c in ATTENTIONS)


@pytest.mark.parametrize("size", [(16, 24, 32), (8, 8, 8), (128, 128, 128)])
def test_the_counter_agrees_with_a_count_by_hand(
    flops: ModuleType, size: tuple[int, int, int]
) -> None:
    """At small non-cubic sizes and at the quoted one, not a single operation is missing."""
    assert flops.cost("latup-net", (4, *size)).flop == by_hand(*size)


def test_the_quoted_figures(flops: ModuleType) -> None:
    """3,069,924 parameters and 1,581 GFLOP at 4 x 128 x 128 x 128."""
    cost = flops.cost("latup-net")
    assert cost.parameters == 3_069_924
    assert round(cost.gflop) == 1581


def test_the_fast_network_is_as_light_as_it_must_be(flops: ModuleType) -> None:
    """At most 15.79 GFLOP, the figure that the paper's abstract claims for its own network."""
    assert 10.0 < flops.cost("latup-net-fast").gflop <= 15.79


def test_the_widest_path_takes_a_third(flops: ModuleType) -> None:
    """The 5x5x5 path alone is 536 GFLOP, which is what makes the network heavy."""
    widest = 2 * 5**3 * 32 * 32 * 128**3 / 1e9
    assert widest == pytest.approx(536.9, abs=0.1)
    assert 0.33 < widest / flops.cost("latup-net").gflop < 0.35


def test_the_script_prints_one_line_per_network(
    flops: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, parameters and GFLOP, below a line that names the input and how it is counted."""
    flops.main([])
    head, *lines = capsys.readouterr().out.splitlines()
    assert "GFLOP@4x128x128x128" in head
    assert "multiply-add counted as two" in head
    assert lines[0] == "latup-net 3,069,924 1,581"
    assert [line.split()[0] for line in lines] == list(flops.NETWORKS)


def test_the_record_says_the_same(flops: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get the exact count, the input's shape and how it was counted."""
    flops.main(["--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["input"] == [1, 4, 128, 128, 128]
    assert "multiply-add" in said["counted"]
    rows = {row.pop("name"): row for row in said["networks"]}
    assert rows["latup-net"] == {"parameters": 3_069_924, "flop": by_hand(128, 128, 128)}
