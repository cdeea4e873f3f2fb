"""Bring the channels of a graph to similar ranges, so that int8 has room for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from latup_cli.training.probe import channels_of, outputs_of

Array: TypeAlias = npt.NDArray[np.float32]

_CONVOLUTION, _ACTIVATION, _NORM, _JOIN = "Conv", "LeakyRelu", "InstanceNormalization", "Concat"
_LINEAR, _MEAN, _SUM = "MatMul", "ReduceMean", "Add"
_CHANNELWISE = (_ACTIVATION, _MEAN, "MaxPool", "Pad", "Resize", "Mul")
"""What a positive factor of a channel passes through. The gate of a product is no factor of it."""
_INPUT_CHANNELS = {_CONVOLUTION: 1, _LINEAR: 0}  # axis of the weights


@dataclass(frozen=True, slots=True)
class _Reading:
    """Weights that meet the channels of a tensor.

    Attributes:
        weights: Their name.
        axis: Which axis of theirs is the input channel.
        start: The first of these channels there.
    """

    weights: str
    axis: int
    start: int


@dataclass(frozen=True, slots=True)
class _Scalable:
    """A tensor whose channels may get factors.

    Attributes:
        name: Of the tensor.
        makers: Constants whose first axis is its channels and which it is linear in.
        readings: All weights that meet it.
    """

    name: str
    makers: tuple[str, ...]
    readings: tuple[_Reading, ...]


def equalized(graph: bytes, windows: Sequence[Array]) -> bytes:
    """The same network with factors moved between layers.

    All channels of a tensor share one step of int8, and so do tensors that are joined. Features of
    an encoder are not normalized, so some are many times as large as others, which leaves the small
    ones a few values. So each channel is divided by
    s = sqrt(largest input / largest weight), and the weights that meet it are multiplied by s
    (Xiao et al. 2023, SmoothQuant, arXiv:2211.10438, equation 4 with alpha = 0.5). Here s is a
    power of two, so that float32 gives the same to the bit.

    Args:
        graph: ONNX in float32.
        windows: (1, channels, i, j, k) each; tell the ranges of inputs.
    """
    model = onnx.load_from_string(graph)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    tensors = list(_Wiring(model).scalable())
    if not tensors:
        return graph
    ranges = _ranges(model, [tensor.name for tensor in tensors], windows)
    for tensor, inputs in zip(tensors, ranges, strict=True):
        weights = _largest_weights(tensor, constants, len(inputs))
        factors = powers_of_two(inputs, weights)
        for name in tensor.makers:
            _multiply(constants[name], 1.0 / factors, axis=0)
        for reading in tensor.readings:
            _multiply(constants[reading.weights], factors, reading.axis, reading.start)
    content: bytes = model.SerializeToString()
    return content


def powers_of_two(inputs: Array, weights: Array) -> Array:
    """What each channel is divided by: near sqrt(inputs / weights), 1 where either is zero."""
    known = (inputs > 0) & (weights > 0)
    ratio = np.divide(inputs, weights, out=np.ones_like(inputs), where=known)
    return np.exp2(np.round(np.log2(ratio) / 2)).astype(np.float32)


class _Wiring:
    """Who makes and who reads the tensors of a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Look at every node once."""
        self.nodes = list(model.graph.node)
        self.made = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)
        self.channels = channels_of(model)
        self.results = {output.name for output in model.graph.output}
        self.constants = {tensor.name for tensor in model.graph.initializer}

    def scalable(self) -> Iterator[_Scalable]:
        """Tensors of channels whose every reader can be told of a factor."""
        for node in self.nodes:
            makers = self._makers(node)
            if not makers or not all(self._is_own(name) for name in makers):
                continue
            readings = list(self._readings(node.output[0], 0))
            told = tuple(reading for reading in readings if reading is not None)
            if told and len(told) == len(readings):
                yield _Scalable(node.output[0], makers, told)

    def _makers(self, node: onnx.NodeProto) -> tuple[str, ...]:
        """Constants that a node's output is linear in, channel by channel, up to its sign."""
        if node.op_type == _NORM:
            return tuple(node.input[1:])
        return self._summed(node.input[0]) if node.op_type == _ACTIVATION else ()

    def _summed(self, tensor: str) -> tuple[str, ...]:
        """Weights and biases of the convolutions that a tensor is the sum of; none if of others."""
        node = self.made.get(tensor)
        if node is None or node.op_type not in (_CONVOLUTION, _SUM):
            return ()
        if node.op_type == _CONVOLUTION:
            return tuple(node.input[1:])
        parts = [self._summed(name) for name in node.input]
        return tuple(chain.from_iterable(parts)) if all(parts) else ()

    def _readings(self, tensor: str, start: int) -> Iterator[_Reading | None]:
        """Weights that meet a tensor's channels from `start` on; None for any other reader."""
        if tensor in self.results:
            yield None
        for node in self.readers[tensor]:
            if self._meets(node, tensor) and self._is_own(node.input[1]):
                yield _Reading(node.input[1], _INPUT_CHANNELS[node.op_type], start)
            elif node.op_type == _JOIN:
                before = [self.channels.get(name) for name in _up_to(node.input, tensor)]
                known = [size for size in before if size is not None]
                later = self._readings(node.output[0], start + sum(known))
                yield from later if len(known) == len(before) else (None,)
            elif node.op_type in _CHANNELWISE and tensor not in node.input[1:]:
                yield from self._readings(node.output[0], start)
            else:
                yield None

    def _meets(self, node: onnx.NodeProto, tensor: str) -> bool:
        """Whether a tensor is what a layer with weights is applied to."""
        return node.op_type in _INPUT_CHANNELS and node.input[0] == tensor

    def _is_own(self, constant: str) -> bool:
        """Whether a name is that of a constant that only one node reads."""
        return constant in self.constants and len(self.readers[constant]) == 1


def _up_to(names: Iterable[str], name: str) -> list[str]:
    """Those before the first that is `name`."""
    return list(takewhile(lambda other: other != name, names))


def _ranges(model: onnx.ModelProto, names: Sequence[str], windows: Sequence[Array]) -> list[Array]:
    """Largest magnitude of each channel of each tensor, the mean over windows."""
    largest = [
        [np.abs(tensor).max(axis=(0, 2, 3, 4)) for tensor in tensors]
        for tensors in outputs_of(model, names, windows)
    ]
    return [np.mean(of_tensor, axis=0) for of_tensor in zip(*largest, strict=True)]


def _largest_weights(
    tensor: _Scalable, constants: dict[str, onnx.TensorProto], channels: int
) -> Array:
    """Largest magnitude, by channel, of the weights of convolutions that meet a tensor."""
    largest = np.zeros(channels, dtype=np.float32)
    for reading in tensor.readings:
        if reading.axis == _INPUT_CHANNELS[_CONVOLUTION]:
            weights = np.abs(numpy_helper.to_array(constants[reading.weights]))
            by_channel = weights.max(axis=tuple(a for a in range(weights.ndim) if a != 1))
            np.maximum(largest, by_channel[reading.start :][:channels], out=largest)
    return largest


def _multiply(tensor: onnx.TensorProto, factors: Array, axis: int, start: int = 0) -> None:
    """Change a constant in place, from a channel on."""
    values = np.moveaxis(numpy_helper.to_array(tensor).copy(), axis, -1)
    values[..., start : start + len(factors)] *= factors
    changed = np.ascontiguousarray(np.moveaxis(values, -1, axis))
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
