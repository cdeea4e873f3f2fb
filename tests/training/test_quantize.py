"""Quantized graphs keep what they need in float, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, load_model_from_string, numpy_helper

from latup_cli.inference.models import Graph
from latup_cli.inference.openvino_engine import open_on_cpu
from latup_cli.inference.processor import AVX2, AVX512_VNNI, AVX_VNNI, read_processor
from tests.training.graphs import graph_of

pytest.importorskip("nncf")

from latup_cli.training import quantize as module
from latup_cli.training.export import export_onnx
from latup_cli.training.int8_graph import (
    in_part,
    quantized_inputs,
    quantized_layers,
    quantized_tensors,
)
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.probe import outputs_of
from latup_cli.training.quantize import agreement, fewest, masks, needed, whole_tumors

BOTH = ("a in Qb", "b in softmax")


def constant(name: str, value: object, kind: type) -> TensorProto:
    """A number in the graph."""
    return numpy_helper.from_array(np.array(value, dtype=kind), name)


def quantized_twice(scale: float) -> bytes:
    """Softmax over an input that is quantized twice in a row, with these steps."""
    nodes = []
    for here, there in (("x", "a"), ("a", "b")):
        names = [f"{there}_scale", "zero"]
        nodes += [
            helper.make_node("QuantizeLinear", [here, *names], [f"{there}_q"], name=f"Q{there}"),
            helper.make_node("DequantizeLinear", [f"{there}_q", *names], [there], name=f"D{there}"),
        ]
    nodes.append(helper.make_node("Softmax", ["b"], ["y"], axis=1, name="softmax"))
    numbers = [constant("a_scale", scale, np.float32), constant("b_scale", scale, np.float32)]
    numbers.append(constant("zero", 0, np.int8))
    return graph_of(nodes, numbers)


def run(graph: bytes, window: np.ndarray, folder: Path) -> np.ndarray:
    """What OpenVINO makes of a graph."""
    path = folder / "graph.onnx"
    path.write_bytes(graph)
    size = window.shape[2:]
    opened = open_on_cpu(Graph(path=path, sha256="", inputs=4, outputs=4, window=size))
    return opened(window)


def test_inputs_go_back_to_float(tmp_path: Path) -> None:
    """Without its quantizers a graph computes in float; with one of two it still rounds."""
    graph = quantized_twice(1.0)
    window = np.random.default_rng(3).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    exact = np.exp(window) / np.exp(window).sum(axis=1, keepdims=True)
    assert quantized_inputs(graph) == BOTH
    whole = in_part(graph, BOTH, graph)
    assert quantized_inputs(whole) == ()
    assert [node.op_type for node in load_model_from_string(whole).graph.node] == ["Softmax"]
    np.testing.assert_allclose(run(whole, window, tmp_path), exact, atol=1e-5)
    for one in BOTH:
        left = in_part(graph, [one], graph)
        assert len(quantized_inputs(left)) == 1
        assert np.abs(run(left, window, tmp_path) - exact).max() > 0.01
    assert quantized_inputs(in_part(graph, [], graph)) == BOTH


def test_weights_go_back_to_what_they_were(tmp_path: Path) -> None:
    """With their bias: the original's numbers, not the rounded ones, of which no trace is left."""
    exact = np.linspace(0.1, 1.3, 16, dtype=np.float32).reshape(4, 4, 1, 1, 1)
    plain = graph_of(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")],
        [constant("w", exact, np.float32), constant("b", [0.1] * 4, np.float32)],
    )
    undo = helper.make_node("DequantizeLinear", ["w_q", "scale", "zero"], ["w_1"], name="D")
    quantized = graph_of(
        [undo, helper.make_node("Conv", ["x", "w_1", "b"], ["y"], name="conv")],
        [constant("w_q", np.round(exact / 0.5), np.int8), constant("scale", 0.5, np.float32),
         constant("zero", 0, np.int8), constant("b", [0.3] * 4, np.float32)],
    )  # fmt: skip
    assert quantized_inputs(quantized) == ("w_1 in conv",)
    left = in_part(quantized, ["w_1 in conv"], plain)
    names = [tensor.name for tensor in load_model_from_string(left).graph.initializer]
    assert sorted(names) == ["b", "w"]
    window = np.random.default_rng(5).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    expected = run(plain, window, tmp_path)
    assert np.abs(run(quantized, window, tmp_path) - expected).max() > 0.01
    np.testing.assert_array_equal(run(left, window, tmp_path), expected)


def test_agreement_is_dice_over_what_is_there() -> None:
    """The worst whole tumor counts, and the mean of all; a region of a few voxels does not."""
    large = np.zeros((8, 8, 8), dtype=bool)
    large[:4] = True
    half = large.copy()
    half[:2] = False
    tiny = np.zeros_like(large)
    tiny[0, 0, 0] = True
    assert agreement([[large]], [[large]]) == 1.0
    assert agreement([[half]], [[large]]) == pytest.approx(2 / 3)
    assert agreement([[half, large]], [[large, tiny]]) == pytest.approx(2 / 3)
    assert agreement([[large]], [[tiny]]) == 1.0
    assert agreement([[large], [half]], [[large], [large]]) == pytest.approx(2 / 3)
    assert agreement([[large, half]], [[large, large]]) == pytest.approx(5 / 6)
    assert whole_tumors([[half, large], [large, large]], [[large] * 2, [tiny, large]]) == [
        pytest.approx(2 / 3)
    ]


def test_masks_are_regions() -> None:
    """Probabilities above one half, summed over the classes of a region."""
    classes = np.zeros((1, 4, 1, 1, 2), dtype=np.float32)
    classes[0, :, 0, 0, 0] = (0.1, 0.3, 0.3, 0.3)
    classes[0, :, 0, 0, 1] = (0.6, 0.2, 0.1, 0.1)
    (found,) = masks(lambda _: classes, [classes])
    assert [mask[0, 0].tolist() for mask in found] == [[True, False], [True, False], [False, False]]


@pytest.mark.parametrize("needed", range(8))
def test_as_few_as_suffice(needed: int) -> None:
    """The search ends at the smallest number, or at all where nothing suffices."""
    assert fewest(7, lambda taken: taken >= needed) == needed
    assert fewest(3, lambda _: False) == 3


def test_what_is_not_needed_is_left_out() -> None:
    """Of names that suffice together, those stay without which they would not."""
    assert needed(["a", "b", "c", "d"], lambda some: {"a", "c"} <= set(some)) == ("a", "c")
    assert needed(["a", "b"], lambda some: len(some) >= 1) == ("a",)
    assert needed([], lambda _: True) == ()


LAYERS = ("first", "second")


def two_layers(first: float, second: float) -> tuple[bytes, bytes]:
    """Two convolutions that change nothing: in float, and with inputs in these steps of int8."""
    same = np.eye(4).reshape(4, 4, 1, 1, 1)
    plain, quantized, numbers = [], [], [constant("zero", 0, np.int8)]
    for layer, step, here, there in (("first", first, "x", "a"), ("second", second, "a", "b")):
        step_of = [f"{layer}_step", "zero"]
        numbers += [constant(f"{layer}_step", step, np.float32), constant(layer, same, np.float32)]
        numbers += [constant(f"{layer}_q", same, np.int8), constant("one", 1.0, np.float32)]
        quantized += [
            helper.make_node("QuantizeLinear", [here, *step_of], [f"{here}_q"], name=f"Q{here}"),
            helper.make_node("DequantizeLinear", [f"{here}_q", *step_of], [f"{here}_dq"]),
            helper.make_node("DequantizeLinear", [f"{layer}_q", "one", "zero"], [f"{layer}_dq"]),
            helper.make_node("Conv", [f"{here}_dq", f"{layer}_dq"], [there], name=layer),
        ]
        plain.append(helper.make_node("Conv", [here, layer], [there], name=layer))
    return made(plain, numbers), made(quantized, numbers)


def made(nodes: list[NodeProto], numbers: list[TensorProto]) -> bytes:
    """A graph of these nodes and a softmax, with the numbers that they read."""
    nodes = [*nodes, helper.make_node("Softmax", ["b"], ["y"], axis=1, name="softmax")]
    read = {name for node in nodes for name in node.input}
    needed = {tensor.name: tensor for tensor in numbers if tensor.name in read}
    return graph_of(nodes, list(needed.values()))


def given_as_quantized(monkeypatch: pytest.MonkeyPatch, graph: bytes) -> None:
    """Let NNCF give this."""
    monkeypatch.setattr(module, "_post_training", lambda _graph, _windows: graph)


@pytest.mark.parametrize(
    ("steps", "in_float"),
    [
        ((4.0, 4.0), LAYERS),
        ((4.0, 0.04), ("first",)),
        ((0.04, 4.0), ("second",)),
        ((0.04,) * 2, ()),
    ],
)
def test_what_hurts_stays_in_float(
    steps: tuple[float, float],
    in_float: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A coarse step that changes the masks is found, and its layer taken out."""
    plain, quantized = two_layers(*steps)
    given_as_quantized(monkeypatch, quantized)
    window = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    found = module.quantize(plain, [window], opened_in(tmp_path), least=0.97)
    assert found.in_float == in_float
    assert set(found.in_int8) == set(LAYERS) - set(in_float)
    assert found.share == len(found.in_int8) / 2
    assert found.agreement >= 0.97
    assert quantized_layers(found.graph).keys() == set(found.in_int8)


def opened_in(folder: Path) -> module.OpenGraph:
    """Opens graphs in OpenVINO."""
    return lambda content: lambda window: run(content, window, folder)


def test_the_window_that_suffers_most_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of many windows one that needs float is enough, and it is the first that is looked at."""
    plain, quantized = two_layers(0.25, 0.25)
    given_as_quantized(monkeypatch, quantized)
    noise = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    strong, faint = 20.0 * noise, 0.2 * noise
    seen: list[str] = []

    def open_graph(content: bytes) -> module.OpenGraph:
        def predict(window: np.ndarray) -> np.ndarray:
            seen.append("faint" if window is faint else "strong")
            return run(content, window, tmp_path)

        return predict

    monkeypatch.setattr(module, "best_factors", lambda *_: {})
    found = module.quantize(plain, [strong, strong, faint], open_graph)
    assert found.in_float == LAYERS
    del seen[:3]  # the answers that ranges would be judged by
    assert seen[6] == "faint"  # after all windows in float and in int8
    assert set(seen[:6:3]) == {"strong"}


def test_earlier_weights_are_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another graph of the same network left in float is left in float."""
    plain, quantized = two_layers(0.01, 0.01)
    given_as_quantized(monkeypatch, quantized)
    window = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    earlier = in_part(quantized, ["x_dq in first", "first_dq in first"], plain)
    found = module.quantize_like(plain, [window], opened_in(tmp_path), earlier)
    assert (found.in_float, found.in_int8, found.share) == (("first",), ("second",), 0.5)
    assert quantized_inputs(found.graph) == quantized_inputs(earlier)
    assert 0.9 < found.agreement <= 1.0


def test_a_layer_needs_what_is_quantized_before_a_padding() -> None:
    """The input of the padding, and nothing from behind a join or another computation."""
    q = [
        helper.make_node("QuantizeLinear", [here, "s", "zero"], [f"{here}_q"], name=f"Q{here}")
        for here in ("x", "r", "w")
    ]
    undone = [
        helper.make_node("DequantizeLinear", [f"{here}_q", "s", "zero"], [f"{here}_dq"])
        for here in ("x", "r", "w")
    ]
    nodes = [
        *q[:2], *undone,
        helper.make_node("Concat", ["x_dq", "x"], ["j"], axis=1, name="join"),
        helper.make_node("Relu", ["j"], ["r"], name="relu"),
        helper.make_node("Pad", ["r_dq", "room"], ["p"], name="pad"),
        helper.make_node("Conv", ["p", "w_dq"], ["b"], name="layer"),
    ]  # fmt: skip
    numbers = [constant("s", 1.0, np.float32), constant("zero", 0, np.int8),
               constant("w_q", np.zeros((4, 8, 1, 1, 1)), np.int8),
               constant("room", [0] * 10, np.int64)]  # fmt: skip
    graph = made(nodes, numbers)
    assert quantized_inputs(graph) == ("x_dq in join", "r_dq in pad", "w_dq in layer")
    assert quantized_layers(graph) == {"layer": ("w_dq in layer", "r_dq in pad")}
    assert quantized_tensors(graph) == {"r": {"layer"}}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """LATUP-Net's own blocks with four filters, far from where training starts."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    made = LatupNet(NetworkConfig(filters=4)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    export_onnx(made, path)
    return path.read_bytes()


def test_a_network_is_quantized(network: bytes, tmp_path: Path) -> None:
    """Every convolution is judged, one for each joined tensor, and most of them can be in int8."""
    window = np.random.default_rng(4).normal(size=(1, 4, 16, 16, 16)).astype(np.float32)
    found = module.quantize(network, [window], opened_in(tmp_path), least=0.9)
    assert len(found.in_int8) + len(found.in_float) == 16 + 3  # all but the first and the last
    assert found.share > 0.5
    assert found.agreement >= 0.9
    again = module.quantize_like(network, [window], opened_in(tmp_path), found.graph)
    assert again.in_int8 == found.in_int8


@pytest.mark.parametrize("bits", [7, 8])
def test_int8_is_the_same_in_another_engine(network: bytes, tmp_path: Path, bits: int) -> None:
    """OpenVINO once got joins wrong on some processors: each engine is a witness of the other."""
    if bits == 8 and not _adds_exactly():
        pytest.skip("without VNNI, sums of two products saturate in 16 bits with weights of 8")
    window = np.random.default_rng(5).normal(size=(1, 4, 16, 16, 16)).astype(np.float32)
    found = module.quantize(network, [window], opened_in(tmp_path), least=0.0)
    assert found.share == 1.0
    graph = found.graph if bits == 8 else with_half_weights(found.graph)
    result = load_model_from_string(graph).graph.output[0].name
    ((theirs,),) = outputs_of(load_model_from_string(graph), [result], [window])
    ours = run(graph, window, tmp_path)
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def with_half_weights(graph: bytes) -> bytes:
    """The same graph with weights of half the steps, each twice as large."""
    model = load_model_from_string(graph)
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        weights, step = (constants[name] for name in node.input[:2])
        if weights.data_type == TensorProto.INT8:
            halved = np.round(numpy_helper.to_array(weights) / 2).astype(np.int8)
            doubled = numpy_helper.to_array(step) * np.float32(2.0)
            weights.CopyFrom(numpy_helper.from_array(halved, weights.name))
            step.CopyFrom(numpy_helper.from_array(doubled, step.name))
    return model.SerializeToString()


def _adds_exactly() -> bool:
    """Without VNNI, x86 adds two products of int8 in 16 bits, where large ones saturate."""
    features = read_processor().features
    return AVX2 not in features or bool(features & {AVX_VNNI, AVX512_VNNI})
