"""What belongs to a model and travels with its weights, never an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from latup_cli.domain.grid import Shape


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
        window: Voxels along i, j, k of the input that it was measured with.
        stride: Every window size must be a multiple of this.
        classes: Output channels in order, background first.
        activation: "softmax" over `classes`, applied inside the graph.
        trained_on: The labelled data.
        measured: Dice by region, with the data it was measured on.
        not_for: What it must not be used for.
        license: Terms of the weights.
        citation: What to cite.
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
