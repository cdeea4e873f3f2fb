"""Write convolutions of joined tensors as sums of convolutions, which int8 needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from latup_cli.training.probe import channels_of

_CONVOLUTION, _JOIN, _SUM = "Conv", "Concat", "Add"
_OUT, _IN = 0, 1  # axes of a convolution's weights


def without_joins(graph: bytes) -> bytes:
    """The same network with each convolution of joined tensors as a sum over these.

    In int8, OpenVINO (2026.4) computes such a convolution wrongly on processors without AMX if its
    tensors are signed; one for each tensor is right everywhere. It also leaves each tensor its own
    step, where a join has one for the features of an encoder and for those, on another scale, that
    come up from the level below.

    Args:
        graph: ONNX in float32. The result is the same but for the order of summation.
    """
    model = onnx.load_from_string(graph)
    made = {name: node for node in model.graph.node for name in node.output}
    channels = channels_of(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        join = made.get(node.input[0]) if node.op_type == _CONVOLUTION else None
        sizes = [channels.get(name, 0) for name in join.input] if join is not None else []
        if join is not None and join.op_type == _JOIN and len(sizes) > 1 and all(sizes):
            nodes += _summed(model.graph, node, list(zip(join.input, sizes, strict=True)))
        else:
            nodes.append(node)
    drop_unread(model, nodes)
    content: bytes = model.SerializeToString()
    return content


def drop_unread(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Give a graph these nodes, less those whose results nobody reads, and the same of numbers."""
    read = {output.name for output in model.graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if read & set(node.output):
            kept.append(node)
            read.update(node.input)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(tensors)


def _summed(
    graph: onnx.GraphProto, layer: onnx.NodeProto, parts: Sequence[tuple[str, int]]
) -> Iterator[onnx.NodeProto]:
    """A convolution for each tensor of so many channels, and additions; the first has the bias."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights = numpy_helper.to_array(tensors[layer.input[1]])
    zeros = np.zeros(weights.shape[_OUT], dtype=weights.dtype)
    bias = numpy_helper.to_array(tensors[layer.input[2]]) if len(layer.input) > 2 else zeros  # noqa: PLR2004
    starts = np.cumsum([0, *(size for _, size in parts)])
    total = ""
    for number, (tensor, size) in enumerate(parts):
        part = onnx.NodeProto()
        part.CopyFrom(layer)
        part.name = f"{layer.name}.{number}"
        names = [f"{layer.input[1]}.{number}", f"{layer.name}.{number}.bias"]
        own = weights.take(range(starts[number], starts[number] + size), axis=_IN)
        for name, values in zip(names, (own, bias if number == 0 else zeros), strict=True):
            graph.initializer.append(numpy_helper.from_array(values, name))
        part.input[:], part.output[:] = [tensor, *names], [f"{part.name}.sum"]
        yield part
        if total:
            last = number == len(parts) - 1
            added = layer.output[0] if last else f"{layer.name}.sum.{number}"
            yield helper.make_node(
                _SUM, [total, part.output[0]], [added], name=f"{part.name}.{_SUM}"
            )
            total = added
        else:
            total = part.output[0]
