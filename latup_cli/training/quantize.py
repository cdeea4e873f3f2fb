"""Make an int8 graph of an exported one: quantize all convolutions, then give back what hurts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import nncf
import numpy as np
import numpy.typing as npt
import onnx

from latup_cli.labels import REGIONS
from latup_cli.training.equalize import equalized
from latup_cli.training.probe import multiply_adds

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
_Pair: TypeAlias = tuple[Array, list[Mask]]
OpenGraph: TypeAlias = Callable[[bytes], Callable[[Array], Array]]
"""An ONNX graph to what runs it: (1, channels, i, j, k) to (1, classes, i, j, k)."""

AGREEMENT = 0.995
"""Least agreement between the masks of int8 and of float32 on the windows of calibration. On other
patients it is measured afterwards."""

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_BIAS = 2  # which input of a convolution it is
_JOIN = "Concat"
_THRESHOLD = 0.5
_FEWEST_VOXELS = 30
_FEW_WINDOWS = 3  # judge one convolution alone; all windows judge the whole
_WINDOWS_FOR_RANGES = 6
_IN_FLOAT = (".*embed.*", ".*head.*")  # the first and the last layer see or make the few channels


@dataclass(frozen=True, slots=True)
class Quantized:
    """A graph with int8 convolutions.

    Attributes:
        graph: In ONNX's bytes; OpenVINO and ONNX Runtime read it.
        in_int8: Which convolutions compute in int8, as `quantized_layers` names them.
        in_float: Which stay in float.
        share: What part of the multiply-adds of both is in int8.
        agreement: Of its masks with those of float32.
    """

    graph: bytes
    in_int8: tuple[str, ...]
    in_float: tuple[str, ...]
    share: float
    agreement: float


def quantize(
    graph: bytes, windows: Sequence[Array], open_graph: OpenGraph, least: float = AGREEMENT
) -> Quantized:
    """Quantize after training, with as little arithmetic left in float as agreement needs.

    Every convolution is judged alone by what it does to the masks of the windows that suffer most
    from all of them. Those that do the most harm for their multiply-adds go back to float until
    the masks agree; then those return to int8 that can.

    Args:
        graph: ONNX in float32.
        windows: (1, channels, i, j, k) each, from training cases.
        open_graph: Opens a graph for windows of that size.
        least: Agreement that is enough.
    """
    full = _FullyQuantized.of(graph, windows)
    pairs = _worst_first(
        windows, masks(open_graph(graph), windows), masks(open_graph(full.with_float(())), windows)
    )

    def agrees(in_float: Collection[str], pairs: Sequence[_Pair] = pairs) -> float:
        found = masks(open_graph(full.with_float(in_float)), [window for window, _ in pairs])
        return agreement(found, [wanted for _, wanted in pairs])

    def suffices(in_float: Collection[str]) -> bool:
        predict, found = open_graph(full.with_float(in_float)), []
        for window, wanted in pairs:
            found += masks(predict, [window])
            if min(whole_tumors(found[-1:], [wanted]), default=1.0) < least:
                return False  # the rest cannot mend it
        return agreement(found, [wanted for _, wanted in pairs]) >= least

    names = full.layers.keys()
    alone = {name: agrees(names - {name}, pairs[:_FEW_WINDOWS]) for name in names}
    worst = sorted(names, key=lambda name: (alone[name] - 1.0) / full.work[name])
    count = fewest(len(worst), lambda taken: suffices(worst[:taken]))
    left = needed(worst[:count], suffices)
    return full.result(left, agrees(left))


def quantize_like(
    graph: bytes, windows: Sequence[Array], open_graph: OpenGraph, other: bytes
) -> Quantized:
    """Quantize after training, with the same convolutions in float as in another graph.

    A minute instead of some ten, for weights that were only trained further. Whether the agreement
    is enough is for the caller to judge.

    Args:
        graph: ONNX in float32.
        windows: As for `quantize`.
        open_graph: As for `quantize`.
        other: An int8 graph of the same network.
    """
    full = _FullyQuantized.of(graph, windows)
    left = tuple(full.layers.keys() - quantized_layers(other).keys())
    wanted = masks(open_graph(graph), windows)
    return full.result(left, agreement(masks(open_graph(full.with_float(left)), windows), wanted))


@dataclass(frozen=True, slots=True)
class _FullyQuantized:
    """A graph in float, and the same with all that can be in int8.

    Attributes:
        original: In float, its channels equalized.
        graph: Made from it.
        layers: Every convolution that can be in int8, with its quantized inputs.
        work: The multiply-adds of each.
    """

    original: bytes
    graph: bytes
    layers: Mapping[str, tuple[str, ...]]
    work: Mapping[str, int]

    @classmethod
    def of(cls, graph: bytes, windows: Sequence[Array]) -> Self:
        """Equalize and quantize."""
        original = equalized(graph, windows[:_WINDOWS_FOR_RANGES])
        full = _post_training(original, windows)
        layers = quantized_layers(full)
        work = multiply_adds(original, windows[0])
        return cls(original, full, layers, {name: work[name] for name in layers})

    def with_float(self, in_float: Collection[str]) -> bytes:
        """The graph with these convolutions in float, and all that is between convolutions."""
        used = {name for layer in self.layers.keys() - set(in_float) for name in self.layers[layer]}
        rest = [name for name in quantized_inputs(self.graph) if name not in used]
        return in_part(self.graph, rest, self.original)

    def result(self, in_float: Collection[str], agreed: float) -> Quantized:
        """What to hand out."""
        names, work = tuple(self.layers), self.work
        in_int8 = tuple(name for name in names if name not in in_float)
        return Quantized(
            graph=self.with_float(in_float),
            in_int8=in_int8,
            in_float=tuple(name for name in names if name in in_float),
            share=sum(work[name] for name in in_int8) / max(sum(work.values()), 1),
            agreement=agreed,
        )


def fewest(most: int, suffices: Callable[[int], bool]) -> int:
    """The smallest number up to `most` that suffices, if more never do worse; else `most`."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low


def needed(names: Sequence[str], suffices: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """What remains of names that suffice together when each is left out that can be.

    The last is tried first.
    """
    left = list(names)
    for name in reversed(names):
        without = [other for other in left if other != name]
        if suffices(without):
            left = without
    return tuple(left)


def masks(predict: Callable[[Array], Array], windows: Sequence[Array]) -> list[list[Mask]]:
    """For each window and region, where its probability is above one half."""
    return [
        [classes[sorted(tissues)].sum(axis=0) > _THRESHOLD for tissues in REGIONS.values()]
        for classes in (predict(window)[0] for window in windows)
    ]


def agreement(found: Sequence[Sequence[Mask]], wanted: Sequence[Sequence[Mask]]) -> float:
    """How masks agree at worst: the lowest Dice of a whole tumor, or the mean of all if lower.

    Regions that are tiny in `wanted` do not count; without any, the agreement is 1.
    """
    scores = _dice(found, wanted)
    whole = whole_tumors(found, wanted)
    return min([*whole, float(np.mean(scores))]) if scores else 1.0


def whole_tumors(found: Sequence[Sequence[Mask]], wanted: Sequence[Sequence[Mask]]) -> list[float]:
    """Dice of the first region in every window that shows enough of it."""
    return _dice([ours[:1] for ours in found], [theirs[:1] for theirs in wanted])


def _dice(found: Sequence[Sequence[Mask]], wanted: Sequence[Sequence[Mask]]) -> list[float]:
    return [
        2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
        for ours, theirs in zip(found, wanted, strict=True)
        for a, b in zip(ours, theirs, strict=True)
        if np.count_nonzero(b) >= _FEWEST_VOXELS
    ]


def _worst_first(
    windows: Sequence[Array], wanted: Sequence[list[Mask]], found: Sequence[list[Mask]]
) -> list[_Pair]:
    """Windows with their masks in float; those whose other masks agree least come first."""
    agreed = [agreement([a], [b]) for a, b in zip(found, wanted, strict=True)]
    pairs = list(zip(windows, wanted, strict=True))
    return [pairs[number] for number in np.argsort(agreed, kind="stable")]


def quantized_inputs(graph: bytes) -> tuple[str, ...]:
    """Names of all inputs of layers that are quantized, activations and weights, in order."""
    return tuple(edge.name for edge in _edges(onnx.load_from_string(graph)))


def quantized_layers(graph: bytes) -> dict[str, tuple[str, ...]]:
    """Convolutions with int8 weights, each with the names of all quantized inputs that it needs.

    Its other input may be quantized before a join, a padding or a resizing that comes first.
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
            inputs = node.input if node.op_type == _JOIN else node.input[:1]
            ahead += [made[name] for name in inputs if name in made and _passes(made[name])]
        layers[layer.name] = tuple(dict.fromkeys(found))
    return layers


def _passes(node: onnx.NodeProto) -> bool:
    """Whether a node computes nothing new from int8."""
    return node.op_type in (_JOIN, "Pad", "Resize", "MaxPool", _QUANTIZE, _DEQUANTIZE)


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
    _drop_unused(model)
    content: bytes = model.SerializeToString()
    return content


def _post_training(graph: bytes, windows: Sequence[Array]) -> bytes:
    model = onnx.load_from_string(graph)
    name = model.graph.input[0].name
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(windows), lambda window: {name: window}),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # OpenVINO's AMX takes no zero points
        subset_size=len(windows),
        ignored_scope=nncf.IgnoredScope(types=["MatMul"], patterns=list(_IN_FLOAT)),
    )
    content: bytes = quantized.SerializeToString()
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


def _drop_unused(model: onnx.ModelProto) -> None:
    """Remove quantizers whose results nobody reads any more, and numbers without readers."""
    nodes = list(model.graph.node)
    results = {output.name for output in model.graph.output}
    for kind in (_DEQUANTIZE, _QUANTIZE):
        read = results.union(*(node.input for node in nodes))
        nodes = [node for node in nodes if node.op_type != kind or node.output[0] in read]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)
