"""Ranges of int8 are chosen by what they do to the answer."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from latup_cli.training.probe import outputs_of
from latup_cli.training.ranges import best_factors, with_ranges
from tests.training.graphs import graph_of


def rounded(*steps: float) -> bytes:
    """The input in steps, each of its own zero point."""
    nodes, numbers, here = [], [], "x"
    for number, step in enumerate(steps):
        there = f"t{number}" if number < len(steps) - 1 else "y"
        names = [f"{there}_step", f"{there}_zero"]
        numbers += [
            numpy_helper.from_array(np.array(step, np.float32), names[0]),
            numpy_helper.from_array(np.array(128, np.uint8), names[1]),
        ]
        nodes += [
            helper.make_node("QuantizeLinear", [here, *names], [f"{there}_q"]),
            helper.make_node("DequantizeLinear", [f"{there}_q", *names], [there]),
        ]
        here = there
    return graph_of(nodes, numbers)


def steps(graph: bytes) -> dict[str, float]:
    """Every step of a graph."""
    tensors = onnx.load_from_string(graph).graph.initializer
    return {t.name: float(numpy_helper.to_array(t)) for t in tensors if t.name.endswith("step")}


def error_on(values: np.ndarray, graph: bytes) -> float:
    """Mean error of rounding and clipping some numbers."""
    window = np.broadcast_to(values, (1, 4, 1, 1, len(values))).astype(np.float32)
    ((found,),) = outputs_of(onnx.load_from_string(graph), ["y"], [window])
    return float(np.abs(found - window).mean())


def test_only_the_named_step_changes() -> None:
    """Of two tensors one gets a finer step, as float32."""
    found = with_ranges(rounded(0.5, 0.25), {"t0": 0.5})
    assert steps(found) == {"t0_step": 0.5, "y_step": 0.125}
    for tensor in onnx.load_from_string(found).graph.initializer:
        assert numpy_helper.to_array(tensor).dtype in (np.float32, np.uint8)


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        ([126.0, -127.0], 1.0),  # a finer step would clip both
        ([0.7, 2.1, -1.4, 50.0], 0.7),  # these are multiples of the step
    ],
)
def test_the_range_with_the_least_error_is_chosen(values: list[float], factor: float) -> None:
    """Wide where large values count, narrow where small ones do."""
    numbers = np.array(values)
    best = best_factors({"x": rounded(1.0)}, lambda graph: error_on(numbers, graph))
    assert best == {"x": pytest.approx(factor)}
