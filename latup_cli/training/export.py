"""From a PyTorch network to a model directory that `latup segment --weights` takes."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from latup_cli.domain.model import N4_ZSCORE, ModelSpec
from latup_cli.imaging.atomic import replacing, write_text
from latup_cli.labels import MODALITIES, REGIONS, Tissue
from latup_cli.training.checkpoint import save_weights
from latup_cli.training.network import LatupNet, NetworkConfig, parameter_count
from latup_cli.training.settings import TrainSettings

OPSET = 18

NOT_FOR = (
    "diagnosis, treatment or any other clinical decision",
    "images with a skull, or modalities that are not registered to each other",
    "tumors other than adult glioma before treatment",
    "scans after surgery or radiotherapy, and children",
)
"""Limits of every model trained on BraTS data of 2018 to 2021."""

_CITATION = "arXiv:2404.05911 (network); see weights/LICENSE for the data"
_EXAMPLE = (2, 3, 4)  # times the stride


class _WithSoftmax(nn.Module):
    """The network as it is shipped: probabilities, so that no caller has to know the activation."""

    def __init__(self, network: LatupNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.network(image), dim=1)


def model_spec(settings: TrainSettings) -> ModelSpec:
    """What training fixes about a model; hash and measurements are still empty."""
    return ModelSpec(
        name=settings.name,
        version=settings.version,
        weights="model.onnx",
        sha256="",
        opset=OPSET,
        parameters=0,
        channels=MODALITIES,
        axis_order="RAS",
        spacing_mm=(settings.spacing_mm,) * 3,
        normalization=N4_ZSCORE,
        window=settings.validation_window,
        stride=NetworkConfig.from_settings(settings.as_dict()).stride,
        classes=("background", *(tissue.name for tissue in Tissue)),
        activation="softmax",
        trained_on=settings.trained_on,
        not_for=NOT_FOR,
        license="see LICENSE beside the shipped models: research and education, no clinical use",
        citation=_CITATION,
        smallest_ml={"ET": settings.smallest_et_ml} if settings.smallest_et_ml else {},
        smallest_island_ml=settings.smallest_island_ml,
        least_core_share=settings.least_core_share,
        least_certainty={
            region: least
            for region, least in zip(REGIONS, settings.least_certainty, strict=True)
            if least
        },
    )


def export_onnx(network: LatupNet, path: Path) -> None:
    """Write an ONNX graph with any batch and any spatial size that is a multiple of the stride.

    Input `image` (n, 4, i, j, k) float32, output `probabilities` (n, 4, i, j, k) float32.

    Raises:
        OutputError: If it cannot be written.
    """
    sizes = [network.config.stride * times for times in _EXAMPLE]
    example = torch.zeros(1, network.config.in_channels, *sizes)
    axes = {0: "n", 2: "i", 3: "j", 4: "k"}
    model = _WithSoftmax(copy.deepcopy(network)).eval()
    model = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with replacing(path) as beside, warnings.catch_warnings():
        # The tracer warns of checks of channel numbers, which are the same at every size.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            beside,
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": axes, "probabilities": axes},
            opset_version=OPSET,
            dynamo=False,
        )


def export_model(
    network: LatupNet, settings: TrainSettings, measured: Mapping[str, object], directory: Path
) -> ModelSpec:
    """Write `model.onnx`, `model.json` and the source model `model.pt`.

    Args:
        network: What to export.
        settings: The run that made it.
        measured: Figures for `model.json`, with what they were measured on.
        directory: The model's directory.

    Returns:
        What `model.json` says.

    Raises:
        OutputError: If a file cannot be written.
    """
    onnx_path = directory / "model.onnx"
    export_onnx(network, onnx_path)
    save_weights(directory / "model.pt", network)
    spec = replace(
        model_spec(settings),
        sha256=hashlib.sha256(onnx_path.read_bytes()).hexdigest(),
        parameters=parameter_count(network),
        measured=dict(measured),
    )
    write_text(directory / "model.json", json.dumps(asdict(spec), indent=2) + "\n")
    return spec
