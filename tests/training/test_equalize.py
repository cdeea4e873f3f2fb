"""Factors move between layers, and the network stays what it was."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from latup_cli.training.equalize import equalized, powers_of_two
from latup_cli.training.export import export_onnx
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.probe import outputs_of
from tests.training.graphs import graph_of

WINDOW = np.random.default_rng(3).normal(size=(1, 4, 16, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module", params=[1, 2])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four filters, at full and at half resolution, far from where training starts."""
    torch.manual_seed(5)
    made = LatupNet(NetworkConfig(filters=4, fold=request.param)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    export_onnx(made, path)
    return path.read_bytes()


def computed(graph: bytes, *names: str) -> list[np.ndarray]:
    """Tensors of these names, over the window."""
    (tensors,) = outputs_of(onnx.load_from_string(graph), names, [WINDOW])
    return tensors


def numbers(graph: bytes) -> dict[str, np.ndarray]:
    """All weights by name."""
    initializers = onnx.load_from_string(graph).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in initializers}


def inputs_of_convolutions(graph: bytes) -> list[str]:
    """Names of all but the image."""
    nodes = onnx.load_from_string(graph).graph.node
    return [node.input[0] for node in nodes if node.op_type == "Conv"][1:]


def test_nothing_changes_in_float(network: bytes) -> None:
    """Every bit of the result is the same, and most weights are other ones."""
    found = equalized(network, [WINDOW])
    (result,) = (output.name for output in onnx.load_from_string(network).graph.output)
    np.testing.assert_array_equal(computed(found, result)[0], computed(network, result)[0])
    before, after = (
        {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load_from_string(g).graph.initializer
        }
        for g in (network, found)
    )
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert len(changed) > len(before) / 2


def test_channels_come_closer(network: bytes) -> None:
    """The inputs of a convolution fill the range that they share better than before."""

    def filled(graph: bytes) -> np.ndarray:
        tensors = computed(graph, *inputs_of_convolutions(graph))
        largest = [np.abs(tensor).max(axis=(0, 2, 3, 4)) for tensor in tensors]
        return np.array([np.mean(channels / channels.max()) for channels in largest])

    assert filled(equalized(network, [WINDOW])).mean() > filled(network).mean()


@pytest.mark.parametrize(
    ("inputs", "weights", "factors"),
    [([16.0], [1.0], [4.0]), ([1.0], [16.0], [0.25]), ([3.0], [3.0], [1.0]),
     ([0.0], [2.0], [1.0]), ([2.0], [0.0], [1.0]), ([64.0, 1.0], [1.0, 1.0], [8.0, 1.0])],
)  # fmt: skip
def test_factors(inputs: list[float], weights: list[float], factors: list[float]) -> None:
    """The square root of input by weight, as a power of two; none for a channel that is dead."""
    found = powers_of_two(np.float32(inputs), np.float32(weights))
    assert found.tolist() == factors


def _graph(readers: list[onnx.NodeProto], result: str) -> bytes:
    """A convolution and its activation "a", then `readers`, which may use the weights "w"."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(4, 4, 1, 1, 1)).astype(np.float32) * 50.0
    constants = [numpy_helper.from_array(weights, "v"), numpy_helper.from_array(weights, "w")]
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["c"], name="first"),
        helper.make_node("LeakyRelu", ["c"], ["a"], name="active"),
        *readers,
    ]
    return graph_of(nodes, constants, result=result)


CONVOLVED = helper.make_node("Conv", ["a", "w"], ["y"], name="second")
SQUARED = [helper.make_node("Mul", ["a", "a"], ["s"]), helper.make_node("Conv", ["s", "w"], ["y"])]
BESIDE = [CONVOLVED, helper.make_node("Softmax", ["a"], ["z"], axis=1)]
SHARED = [CONVOLVED, helper.make_node("Conv", ["c", "w"], ["z"])]
UNKNOWN = [
    helper.make_node("Concat", ["x", "a"], ["j"], axis=1),
    helper.make_node("Conv", ["j", "w"], ["y"]),
]


def test_what_only_convolutions_read_gets_factors() -> None:
    """The plain case, beside which the next ones differ by one thing each."""
    graph = _graph([CONVOLVED], "y")
    assert equalized(graph, [WINDOW]) != graph


@pytest.mark.parametrize(
    ("readers", "result"),
    [(SQUARED, "y"), (BESIDE, "z"), (SHARED, "z"), (UNKNOWN, "y"), ([CONVOLVED], "a")],
)
def test_what_cannot_be_told_of_a_factor_keeps_its_numbers(
    readers: list[onnx.NodeProto], result: str
) -> None:
    """Squared, read by others or at an unknown place, met by shared weights, or a result."""
    graph = _graph(readers, result)
    before, after = onnx.load_from_string(graph), onnx.load_from_string(equalized(graph, [WINDOW]))
    assert list(after.graph.initializer) == list(before.graph.initializer)
