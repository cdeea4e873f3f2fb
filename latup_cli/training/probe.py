"""Look at what an ONNX graph computes inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

Array: TypeAlias = npt.NDArray[np.float32]


def outputs_of(
    model: onnx.ModelProto, names: Sequence[str], windows: Iterable[Array]
) -> Iterator[list[Array]]:
    """What a network computes inside: for each window the tensors of these names."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        opened.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for window in windows:
        found = session.run(None, {session.get_inputs()[0].name: window})
        yield [np.asarray(tensor) for tensor in found]


def channels_of(model: onnx.ModelProto) -> dict[str, int]:
    """How many channels each tensor inside a network has, where that can be told."""
    shapes = {
        value.name: value.type.tensor_type.shape.dim
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    found = {name: shape[1].dim_value for name, shape in shapes.items() if len(shape) > 1}
    return {name: channels for name, channels in found.items() if channels}


def multiply_adds(graph: bytes, window: Array) -> dict[str, int]:
    """How many each convolution takes, by its name.

    Args:
        graph: ONNX.
        window: (1, channels, i, j, k) of the size that is asked about.
    """
    model = onnx.load_from_string(graph)
    weights = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    (tensors,) = outputs_of(model, [layer.output[0] for layer in layers], [window])
    return {
        layer.name: weights[layer.input[1]] * math.prod(tensor.shape[2:])
        for layer, tensor in zip(layers, tensors, strict=True)
    }
