"""Make int8 weights of an exported graph: quantize all convolutions, then give back what hurts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import nncf
import numpy as np
import numpy.typing as npt
import onnx

from latup_cli.labels import REGIONS

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
OpenGraph: TypeAlias = Callable[[bytes], Callable[[Array], Array]]
"""An ONNX graph to what runs it: (1, channels, i, j, k) to (1, classes, i, j, k)."""

AGREEMENT = 0.998
"""Least mean Dice between the masks of int8 and of float32 on the windows of calibration."""

_THRESHOLD = 0.5
_FEWEST_VOXELS = 30
_FEW_WINDOWS = 3  # judge one quantizer alone; all windows judge the whole
_IN_FLOAT = (".*embed.*", ".*head.*")  # the first and the last layer see or make the few channels


@dataclass(frozen=True, slots=True)
class Quantized:
    """A graph with int8 convolutions.

    Attributes:
        graph: In ONNX's bytes; OpenVINO and ONNX Runtime read it.
        in_float: Names of quantizers that were taken out, so that these inputs stay in float.
        kept: How many are left.
        agreement: Mean Dice between its masks and those of float32.
    """

    graph: bytes
    in_float: tuple[str, ...]
    kept: int
    agreement: float


def quantize(graph: bytes, windows: Sequence[Array], open_graph: OpenGraph) -> Quantized:
    """Quantize after training, with as few inputs of layers left in float as agreement needs.

    Every quantizer of activations is judged alone by what it does to the masks; then the worst
    are taken out, as few as suffice. Weights stay in int8 everywhere.

    Args:
        graph: ONNX in float32.
        windows: (1, channels, i, j, k) each, from training cases.
        open_graph: Opens a graph for windows of that size.
    """
    full = _post_training(graph, windows)
    wanted = masks(open_graph(graph), windows)

    def agrees(in_float: Collection[str], count: int = len(windows)) -> float:
        found = masks(open_graph(in_part(full, in_float)), windows[:count])
        return agreement(found, wanted[:count])

    names = activation_quantizers(full)
    alone = {name: agrees(set(names) - {name}, _FEW_WINDOWS) for name in names}
    worst = sorted(names, key=lambda name: alone[name])
    count = fewest(len(worst), lambda taken: agrees(worst[:taken]) >= AGREEMENT)
    left = worst[:count]
    return Quantized(in_part(full, left), tuple(left), len(names) - count, agrees(left))


def fewest(most: int, suffices: Callable[[int], bool]) -> int:
    """The smallest number up to `most` that suffices, if more never do worse; else `most`."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low


def masks(predict: Callable[[Array], Array], windows: Sequence[Array]) -> list[list[Mask]]:
    """For each window and region, where its probability is above one half."""
    return [
        [classes[sorted(tissues)].sum(axis=0) > _THRESHOLD for tissues in REGIONS.values()]
        for classes in (predict(window)[0] for window in windows)
    ]


def agreement(found: Sequence[Sequence[Mask]], wanted: Sequence[Sequence[Mask]]) -> float:
    """Mean Dice over windows and regions that are of some size in `wanted`; 1 if there is none."""
    scores = [
        2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
        for ours, theirs in zip(found, wanted, strict=True)
        for a, b in zip(ours, theirs, strict=True)
        if np.count_nonzero(b) >= _FEWEST_VOXELS
    ]
    return float(np.mean(scores)) if scores else 1.0


def activation_quantizers(graph: bytes) -> tuple[str, ...]:
    """Names of the nodes that bring quantized activations back to float, in the graph's order."""
    return tuple(name for name, _, _ in _pairs(onnx.load_from_string(graph)))


def in_part(graph: bytes, in_float: Collection[str]) -> bytes:
    """The graph without some of its quantizers of activations.

    Args:
        graph: A quantized one.
        in_float: Names as `activation_quantizers` gives them.
    """
    model = onnx.load_from_string(graph)
    taken = [pair for pair in _pairs(model) if pair[0] in in_float]
    instead = {dequantized.output[0]: quantizer.input[0] for _, quantizer, dequantized in taken}
    gone = {node.name for pair in taken for node in pair[1:]}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            while name in instead:
                name = instead[name]  # noqa: PLW2901  (one quantizer may follow another)
            node.input[index] = name
    kept = [node for node in model.graph.node if node.name not in gone]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    content: bytes = model.SerializeToString()
    return content


def _post_training(graph: bytes, windows: Sequence[Array]) -> bytes:
    model = onnx.load_from_string(graph)
    name = model.graph.input[0].name
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(windows), lambda window: {name: window}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(windows),
        ignored_scope=nncf.IgnoredScope(types=["MatMul"], patterns=list(_IN_FLOAT)),
    )
    content: bytes = quantized.SerializeToString()
    return content


def _pairs(model: onnx.ModelProto) -> list[tuple[str, onnx.NodeProto, onnx.NodeProto]]:
    """Quantizers of activations, each with its name and the node that undoes it."""
    constants = {tensor.name for tensor in model.graph.initializer}
    quantizers = {
        node.output[0]: node for node in model.graph.node if node.op_type == "QuantizeLinear"
    }
    return [
        (node.name, quantizers[node.input[0]], node)
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in quantizers
        and quantizers[node.input[0]].input[0] not in constants
    ]
