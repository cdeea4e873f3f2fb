"""Small ONNX graphs, made node by node."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto, TensorProto, helper


def graph_of(
    nodes: Sequence[NodeProto],
    numbers: Sequence[TensorProto] = (),
    *,
    result: str = "y",
    channels: int = 4,
) -> bytes:
    """From the input "x" to a result, both (n, channels, i, j, k), of any size."""
    shape = ["n", channels, "i", "j", "k"]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", result)]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], numbers)
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
