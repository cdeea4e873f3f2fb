"""Look into quantized graphs, and give parts of them back to float."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import onnx

from latup_cli.training.joins import drop_unread

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_BIAS = 2  # which input of a convolution it is


def quantized_inputs(graph: bytes) -> tuple[str, ...]:
    """Names of all inputs of layers that are quantized, activations and weights, in order."""
    return tuple(edge.name for edge in _edges(onnx.load_from_string(graph)))


def quantized_layers(graph: bytes) -> dict[str, tuple[str, ...]]:
    """Convolutions with int8 weights, each with the names of all quantized inputs that it needs.

    Its other input may be quantized before a padding or a resizing that comes first.
    """
    model = onnx.load_from_string(graph)
    made = {name: node for node in model.graph.node for name in node.output}
    edges = _edges(model)
    by_reader: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        by_reader[edge.layer.name].append(edge.name)
    layers = {}
    for layer in (edge.layer for edge in edges if edge.quantizer is None):
        found: list[str] = []
        ahead = [layer]
        while ahead:
            node = ahead.pop()
            found += by_reader[node.name]
            before = made.get(node.input[0])
            ahead += [before] if before is not None and _passes(before) else []
        layers[layer.name] = tuple(dict.fromkeys(found))
    return layers


def quantized_tensors(graph: bytes) -> dict[str, frozenset[str]]:
    """Tensors that are quantized, each with all convolutions in int8 that need it."""
    edges = _edges(onnx.load_from_string(graph))
    tensors = {edge.name: edge.quantizer.input[0] for edge in edges if edge.quantizer is not None}
    readers: dict[str, set[str]] = defaultdict(set)
    for layer, names in quantized_layers(graph).items():
        for tensor in (tensors[name] for name in names if name in tensors):
            readers[tensor].add(layer)
    return {tensor: frozenset(layers) for tensor, layers in readers.items()}


def _passes(node: onnx.NodeProto) -> bool:
    """Whether a node computes nothing new from int8."""
    return node.op_type in ("Pad", "Resize", "MaxPool", _QUANTIZE, _DEQUANTIZE)


def in_part(graph: bytes, in_float: Collection[str], original: bytes) -> bytes:
    """The graph with some inputs of layers in float again.

    Quantizing shifts the bias of a layer by what rounding its weights does to the mean of its
    results, so the original bias comes back with the original weights.

    Args:
        graph: A quantized one.
        in_float: Names as `quantized_inputs` gives them.
        original: What `graph` was made from; its weights and biases are given back.
    """
    model = onnx.load_from_string(graph)
    constants = _constants_by_layer(onnx.load_from_string(original))
    for edge in _edges(model):
        if edge.name not in in_float:
            continue
        if edge.quantizer is not None:
            edge.layer.input[edge.index] = edge.quantizer.input[0]
            continue
        for index in (edge.index, _BIAS):
            if tensor := constants.get((edge.layer.name, index)):
                _put(model.graph, tensor)
                edge.layer.input[index] = tensor.name
    drop_unread(model, model.graph.node[:])
    content: bytes = model.SerializeToString()
    return content


@dataclass(frozen=True, slots=True)
class _Edge:
    """A quantized input of a layer.

    Attributes:
        name: Tells it from all others of the graph.
        layer: What reads it.
        index: Which input of the layer it is.
        quantizer: What quantizes it; None for weights, of which the graph has no float.
    """

    name: str
    layer: onnx.NodeProto
    index: int
    quantizer: onnx.NodeProto | None


def _edges(model: onnx.ModelProto) -> list[_Edge]:
    """Every input of a layer that comes out of a node that undoes a quantization."""
    constants = {tensor.name for tensor in model.graph.initializer}
    nodes = model.graph.node
    before = {node.output[0]: node for node in nodes if node.op_type == _QUANTIZE}
    undone = {
        node.output[0]: before.get(node.input[0])
        for node in nodes
        if node.op_type == _DEQUANTIZE and node.input[0] in before.keys() | constants
    }
    return [
        _Edge(f"{name} in {layer.name}", layer, index, undone[name])
        for layer in nodes
        for index, name in enumerate(layer.input)
        if name in undone
    ]


def _constants_by_layer(model: onnx.ModelProto) -> dict[tuple[str, int], onnx.TensorProto]:
    """Initializers by the name of the layer that reads them and the place of the input."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        (layer.name, index): tensors[name]
        for layer in model.graph.node
        for index, name in enumerate(layer.input)
        if name in tensors
    }


def _put(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> None:
    """Add an initializer, or change the one of its name."""
    for number, other in enumerate(graph.initializer):
        if other.name == tensor.name:
            del graph.initializer[number]
            break
    graph.initializer.append(tensor)
