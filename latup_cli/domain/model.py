"""What belongs to a model and travels with its weights, never an option."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from latup_cli.domain.grid import Shape

ZSCORE = "zscore-brain"
N4_ZSCORE = "n4-zscore-brain"


@dataclass(frozen=True, slots=True)
class MeasuredWindow:
    """A window that a model was measured with.

    Normalization and attention pool over a window, so that another size is another model.

    Attributes:
        shape: Voxels along i, j, k.
        overlap: Least share of it that a neighbor sees too, in [0, 1).
        dice: Mean by region, such as "WT", where it was measured.
    """

    shape: Shape
    overlap: float = 0.5
    dice: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeasuredPrecision:
    """Shorter arithmetic that a model was measured in, against float32.

    Attributes:
        file: Name of the ONNX graph for it, beside `model.json`; that of float32 where the engine
            shortens the arithmetic by itself.
        sha256: Of that file, in lower-case hexadecimal.
        dice_difference: How much Dice against the experts' labels changes, by region, with the
            data it was measured on.
        allowed_as_default: Whether it changes so little that nobody has to ask for it.
    """

    file: str
    sha256: str
    dice_difference: Mapping[str, object] = field(default_factory=dict)
    allowed_as_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """`model.json`, checked. Unknown fields are refused, missing ones are named.

    Attributes:
        name: What `--model` calls it.
        version: Raised whenever its results change.
        weights: File name of the ONNX graph, beside `model.json`.
        sha256: Of that file, in lower-case hexadecimal.
        opset: ONNX operator set.
        parameters: Learned numbers.
        channels: Modalities in the network's input order.
        axis_order: Where i, j, k of the input point to, such as "RAS".
        spacing_mm: Voxel size that the network was trained at.
        normalization: "zscore-brain": mean 0, standard deviation 1 inside the brain, 0 outside.
            "n4-zscore-brain": the same after the bias field was removed.
        window: Voxels along i, j, k of the input that it was measured with.
        stride: Every window size must be a multiple of this.
        classes: Output channels in order, background first.
        activation: "softmax" over `classes`, applied inside the graph.
        trained_on: The labelled data.
        measured: Dice by region, with the data it was measured on.
        not_for: What it must not be used for.
        license: Terms of the weights.
        citation: What to cite.
        windows: What else it was measured with, for little memory; the first is the default and
            is of the size of `window`. May be missing.
        precisions: "bfloat16" or "int8" to what was measured in it. May be missing.
        bytes_per_voxel: Engine and precision, such as "openvino float32", to the memory that its
            arrays take per voxel of a window, measured. May be missing.
        smallest_ml: Region, so far only "ET", to the volume in mL below which it is not believed:
            less enhancing tumor than that in a whole study counts as NCR, as BraTS entries have
            done since 2017. May be missing; what is not named is kept however small.
        smallest_island_ml: Volume in mL below which a piece of the whole tumor is left out; the
            largest piece always stays. 0, or missing, for none.
        least_core_share: Share of the whole tumor that is core at least where no enhancing tumor
            is found; the likeliest voxels are taken. 0, or missing, for no such rule.
        least_certainty: Region to the Dice that the network's probabilities have to promise for
            it; with less it is warned of, and ET counts as NCR. May be missing, or lack regions.
    """

    name: str
    version: str
    weights: str
    sha256: str
    opset: int
    parameters: int
    channels: tuple[str, ...]
    axis_order: str
    spacing_mm: tuple[float, float, float]
    normalization: str
    window: Shape
    stride: int
    classes: tuple[str, ...]
    activation: str
    trained_on: str
    measured: Mapping[str, object] = field(default_factory=dict)
    not_for: tuple[str, ...] = ()
    license: str = ""
    citation: str = ""
    windows: tuple[MeasuredWindow, ...] = ()
    precisions: Mapping[str, MeasuredPrecision] = field(default_factory=dict)
    bytes_per_voxel: Mapping[str, float] = field(default_factory=dict)
    smallest_ml: Mapping[str, float] = field(default_factory=dict)
    smallest_island_ml: float = 0.0
    least_core_share: float = 0.0
    least_certainty: Mapping[str, float] = field(default_factory=dict)

    @property
    def removes_bias(self) -> bool:
        """Whether the bias field is removed before the images are normalized."""
        return self.normalization == N4_ZSCORE

    @property
    def default_window(self) -> MeasuredWindow:
        """The window that is used unless a smaller one is asked for."""
        return self.windows[0] if self.windows else MeasuredWindow(self.window)

    @property
    def smallest_window(self) -> MeasuredWindow | None:
        """The smallest listed window; None if none is smaller than the default."""
        default = math.prod(self.window)
        below = [window for window in self.windows if math.prod(window.shape) < default]
        return min(below, key=lambda window: math.prod(window.shape), default=None)
