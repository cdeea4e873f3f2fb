"""Convolutions of joined tensors become sums, and the network stays what it was."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from latup_cli.training.joins import without_joins
from latup_cli.training.probe import outputs_of
from tests.training.graphs import graph_of

WINDOW = np.random.default_rng(6).normal(size=(1, 4, 6, 6, 6)).astype(np.float32)
RNG = np.random.default_rng(7)


def numbers(name: str, *shape: int) -> TensorProto:
    """Random weights."""
    return numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


def joined(parts: int, *, bias: bool, more: tuple[NodeProto, ...] = ()) -> bytes:
    """A convolution of 3 x 3 x 3 over `parts` joined tensors of 2, 3, ... channels."""
    nodes, tensors, names = [], [], []
    for part in range(parts):
        tensors += [numbers(f"w{part}", 2 + part, 4, 1, 1, 1), numbers(f"b{part}", 2 + part)]
        nodes.append(helper.make_node("Conv", ["x", f"w{part}", f"b{part}"], [f"t{part}"]))
        names.append(f"t{part}")
    channels = sum(2 + part for part in range(parts))
    inputs = ["j", "w", "b"] if bias else ["j", "w"]
    nodes.append(helper.make_node("Concat", names, ["j"], axis=1, name="join"))
    nodes.append(helper.make_node("Conv", inputs, ["c"], name="layer", pads=[1] * 6))
    tensors += [numbers("w", 4, channels, 3, 3, 3), *([numbers("b", 4)] if bias else [])]
    last = more or (helper.make_node("LeakyRelu", ["c"], ["y"]),)
    return graph_of([*nodes, *last], tensors)


def kinds(graph: bytes) -> list[str]:
    """Its operations in order."""
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


def result(graph: bytes) -> np.ndarray:
    """Of ONNX Runtime, over the window."""
    ((found,),) = outputs_of(onnx.load_from_string(graph), ["y"], [WINDOW])
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("parts", [2, 3])
def test_a_join_becomes_a_sum(parts: int, *, bias: bool) -> None:
    """One convolution for each tensor, each with its channels of the weights."""
    graph = joined(parts, bias=bias)
    found = without_joins(graph)
    onnx.checker.check_model(onnx.load_from_string(found))
    assert kinds(found).count("Conv") == 2 * parts
    assert kinds(found).count("Add") == parts - 1
    assert "Concat" not in kinds(found)
    np.testing.assert_allclose(result(found), result(graph), rtol=1e-4, atol=1e-4)


def test_what_is_not_read_any_more_goes_away() -> None:
    """The whole weights are not kept beside their parts."""
    graph = onnx.load_from_string(without_joins(joined(2, bias=True))).graph
    assert {tensor.name for tensor in graph.initializer} == {
        "w0",
        "b0",
        "w1",
        "b1",
        "w.0",
        "w.1",
        "layer.0.bias",
        "layer.1.bias",
    }


def test_a_join_that_others_read_stays_for_them() -> None:
    """The convolution does without it, the other reader does not."""
    graph = joined(2, bias=True, more=(
        helper.make_node("GlobalAveragePool", ["j"], ["g"]),
        helper.make_node("ReduceSum", ["g"], ["m"], keepdims=1),
        helper.make_node("Add", ["c", "m"], ["y"]),
    ))  # fmt: skip
    found = without_joins(graph)
    assert kinds(found).count("Conv") == 4
    assert kinds(found).count("Concat") == 1
    np.testing.assert_allclose(result(found), result(graph), rtol=1e-4, atol=1e-4)


def test_a_join_of_unknown_tensors_stays() -> None:
    """Without the number of channels of each there is nothing to divide the weights by."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["t"]),
        helper.make_node("Concat", ["t", "x"], ["j"], axis=1),
        helper.make_node("Conv", ["j", "w"], ["y"]),
    ]
    graph = graph_of(nodes, [numbers("w", 4, 8, 1, 1, 1)])
    found = without_joins(graph)
    assert kinds(found) == kinds(graph)
    np.testing.assert_array_equal(result(found), result(graph))
