"""Make an int8 graph of an exported one: quantize all convolutions, then give back what hurts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import nncf
import numpy as np
import numpy.typing as npt
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from latup_cli.labels import REGIONS
from latup_cli.training.equalize import equalized
from latup_cli.training.int8_graph import (
    in_part,
    quantized_inputs,
    quantized_layers,
    quantized_tensors,
)
from latup_cli.training.joins import without_joins
from latup_cli.training.probe import multiply_adds
from latup_cli.training.ranges import best_factors, with_ranges

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
_Pair: TypeAlias = tuple[Array, list[Mask]]
OpenGraph: TypeAlias = Callable[[bytes], Callable[[Array], Array]]
"""An ONNX graph to what runs it: (1, channels, i, j, k) to (1, classes, i, j, k)."""

AGREEMENT = 0.998
"""Least agreement between the masks of int8 and of float32 on the windows of calibration. It is
more than the 0.995 that a default needs on other patients, where it is measured afterwards: with
0.995 here, `latup-net-fast` reached only 0.980 there."""

_THRESHOLD = 0.5
_FEWEST_VOXELS = 30
_FEW_WINDOWS = 3  # judge one convolution alone; all windows judge the whole
_WINDOWS_FOR_RANGES = 6
_WINDOWS_FOR_ERRORS = 4
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
    full = _FullyQuantized.of(graph, windows, open_graph)
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
    full = _FullyQuantized.of(graph, windows, open_graph)
    left = tuple(full.layers.keys() - quantized_layers(other).keys())
    wanted = masks(open_graph(graph), windows)
    return full.result(left, agreement(masks(open_graph(full.with_float(left)), windows), wanted))


@dataclass(frozen=True, slots=True)
class _FullyQuantized:
    """A graph in float, and the same with all that can be in int8.

    Attributes:
        original: In float, without joins before convolutions and with its channels equalized.
        graph: Made from it.
        layers: Every convolution that can be in int8, with its quantized inputs.
        work: The multiply-adds of each.
    """

    original: bytes
    graph: bytes
    layers: Mapping[str, tuple[str, ...]]
    work: Mapping[str, int]

    @classmethod
    def of(cls, graph: bytes, windows: Sequence[Array], open_graph: OpenGraph) -> Self:
        """Without joins, equalize, quantize, and choose what each range covers."""
        original = equalized(without_joins(graph), windows[:_WINDOWS_FOR_RANGES])
        quantized = _post_training(original, windows)
        layers = quantized_layers(quantized)
        work = multiply_adds(original, windows[0])
        full = cls(original, quantized, layers, {name: work[name] for name in layers})
        return replace(full, graph=full.with_best_ranges(windows[:_WINDOWS_FOR_ERRORS], open_graph))

    def with_best_ranges(self, windows: Sequence[Array], open_graph: OpenGraph) -> bytes:
        """The graph with ranges by what rounding and clipping do to the network's answer."""
        wanted = _regions_of(open_graph(self.original), windows)

        def error_of(graph: bytes) -> float:
            found = _regions_of(open_graph(graph), windows)
            return float(
                np.mean([np.abs(a - b).mean() for a, b in zip(found, wanted, strict=True)])
            )

        alone = {
            tensor: self.with_float(self.layers.keys() - readers)
            for tensor, readers in quantized_tensors(self.graph).items()
        }
        return with_ranges(self.graph, best_factors(alone, error_of))

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
    return [list(regions > _THRESHOLD) for regions in _regions_of(predict, windows)]


def _regions_of(predict: Callable[[Array], Array], windows: Sequence[Array]) -> list[Array]:
    """For each window the probability (3, i, j, k) of every region."""
    return [
        np.stack([classes[sorted(tissues)].sum(axis=0) for tissues in REGIONS.values()])
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


def _post_training(graph: bytes, windows: Sequence[Array]) -> bytes:
    """All layers that may be, with one step for each channel of weights and one for each input.

    What follows a leaky ReLU is hardly ever negative, so that a zero point halves its step; the
    processors that int8 is for need one even for a symmetric step, which costs them nothing more.
    Ranges take in all that was seen. The first layers get all 8 bits of their weights, too; with 7,
    sums would stay small enough for processors without VNNI.
    """
    model = onnx.load_from_string(graph)
    name = model.graph.input[0].name
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(windows), lambda window: {name: window}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(windows),
        ignored_scope=nncf.IgnoredScope(types=["MatMul"], patterns=list(_IN_FLOAT)),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            overflow_fix=OverflowFix.DISABLE,
        ),
    )
    content: bytes = quantized.SerializeToString()
    return content
