"""Quantized graphs keep what they need in float, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, load_model_from_string, numpy_helper

from latup_cli.inference.models import Graph
from latup_cli.inference.openvino_engine import open_on_cpu

pytest.importorskip("nncf")

from latup_cli.training import quantize as module
from latup_cli.training.quantize import (
    agreement,
    fewest,
    in_part,
    masks,
    needed,
    quantized_inputs,
    whole_tumors,
)

BOTH = ("a in Qb", "b in softmax")
SHAPE = ["n", 4, "i", "j", "k"]


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
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("x", "y")]
    numbers = [constant("a_scale", scale, np.float32), constant("b_scale", scale, np.float32)]
    numbers.append(constant("zero", 0, np.int8))
    graph = helper.make_graph(nodes, "quantized", ends[:1], ends[1:], numbers)
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


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
    shape = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("x", "y")]

    def made(nodes: list[NodeProto], numbers: list[TensorProto]) -> bytes:
        graph = helper.make_graph(nodes, "convolved", shape[:1], shape[1:], numbers)
        opset = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

    plain = made(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")],
        [constant("w", exact, np.float32), constant("b", [0.1] * 4, np.float32)],
    )
    undo = helper.make_node("DequantizeLinear", ["w_q", "scale", "zero"], ["w_1"], name="D")
    quantized = made(
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


def test_what_hurts_most_stays_in_float(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A coarse step that changes the masks is found and taken out."""
    graph = quantized_twice(4.0)
    monkeypatch.setattr(module, "_post_training", lambda _graph, _windows: graph)
    window = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    float32 = in_part(graph, BOTH, graph)

    def open_graph(content: bytes) -> module.OpenGraph:
        return lambda one: run(content, one, tmp_path)

    found = module.quantize(float32, [window], open_graph)
    assert found.in_float == BOTH
    assert (found.kept, found.agreement) == (0, 1.0)


def test_the_window_that_suffers_most_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of many windows one that needs float is enough, and it is the first that is looked at."""
    graph = quantized_twice(0.25)
    monkeypatch.setattr(module, "_post_training", lambda _graph, _windows: graph)
    noise = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)
    strong, faint = 20.0 * noise, 0.2 * noise
    seen: list[str] = []

    def open_graph(content: bytes) -> module.OpenGraph:
        def predict(window: np.ndarray) -> np.ndarray:
            seen.append("faint" if window is faint else "strong")
            return run(content, window, tmp_path)

        return predict

    found = module.quantize(in_part(graph, BOTH, graph), [strong, strong, faint], open_graph)
    assert found.in_float == BOTH
    assert seen[6] == "faint"  # after all windows in float and in int8
    assert set(seen[:6:3]) == {"strong"}


def test_earlier_weights_are_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another graph of the same network left in float is left in float."""
    graph = quantized_twice(0.01)
    monkeypatch.setattr(module, "_post_training", lambda _graph, _windows: graph)
    window = np.random.default_rng(4).normal(size=(1, 4, 8, 8, 8)).astype(np.float32)

    def open_graph(content: bytes) -> module.OpenGraph:
        return lambda one: run(content, one, tmp_path)

    earlier = in_part(graph, BOTH[:1], graph)
    found = module.quantize_like(in_part(graph, BOTH, graph), [window], open_graph, earlier)
    assert (found.in_float, found.kept) == (BOTH[:1], 1)
    assert quantized_inputs(found.graph) == quantized_inputs(earlier)
    assert 0.9 < found.agreement <= 1.0
