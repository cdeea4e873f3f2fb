"""Choose how much of a tensor's range int8 covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

FACTORS = (1.0, 0.7, 0.5, 0.35)
"""What a range is multiplied by; what lies outside the product is clipped."""

_QUANTIZE = "QuantizeLinear"


def best_factors(
    tensors: Mapping[str, bytes], error_of: Callable[[bytes], float]
) -> dict[str, float]:
    """For each tensor the factor of its range with the least error.

    To clip makes steps finer, which some tensors need more than their few largest values; others,
    those deep in the network above all, need these. The mean square error of the tensor itself
    does not tell them apart, what comes out of the network does. Factors are tried from large to
    small while the error falls.

    Args:
        tensors: Name to a graph in which only what reads this tensor is in int8.
        error_of: Of a graph.
    """
    return {name: _best(name, graph, error_of) for name, graph in tensors.items()}


def _best(name: str, graph: bytes, error_of: Callable[[bytes], float]) -> float:
    best, least = FACTORS[0], float("inf")
    for factor in FACTORS:
        error = error_of(with_ranges(graph, {name: factor}))
        if error >= least:
            break
        best, least = factor, error
    return best


def with_ranges(graph: bytes, factors: Mapping[str, float]) -> bytes:
    """The graph with the steps of these tensors multiplied.

    Args:
        graph: A quantized one.
        factors: Name of a tensor that is quantized to what its step is multiplied by.
    """
    model = onnx.load_from_string(graph)
    steps = {
        node.input[1]: factors[node.input[0]]
        for node in model.graph.node
        if node.op_type == _QUANTIZE and node.input[0] in factors
    }
    for tensor in model.graph.initializer:
        if tensor.name in steps:
            step = numpy_helper.to_array(tensor) * np.float32(steps[tensor.name])
            tensor.CopyFrom(numpy_helper.from_array(step.astype(np.float32), tensor.name))
    content: bytes = model.SerializeToString()
    return content
