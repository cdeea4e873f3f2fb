"""Run a network in OpenVINO on the CPU; it reads the same ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

import numpy as np
from openvino import CompiledModel, Core

from latup_cli.errors import ModelMismatchError
from latup_cli.inference.models import Model
from latup_cli.inference.windows import Array

VERSION = metadata.version("openvino")

_DEVICE = "CPU"


@dataclass(frozen=True, slots=True, eq=False)
class OpenVinoModel:
    """A network compiled for one window size.

    Attributes:
        compiled: OpenVINO's.
        provider: The plug-in that runs it.
    """

    compiled: CompiledModel
    provider: str = _DEVICE

    def __call__(self, window: Array) -> Array:
        """(1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities."""
        (probabilities,) = self.compiled(window, share_inputs=True).values()
        return np.asarray(probabilities, dtype=np.float32)


def open_on_cpu(model: Model, threads: int = 0) -> OpenVinoModel:
    """Compile a network for its window in float32.

    OpenVINO would choose bfloat16 by itself on some processors, so the precision is forced.

    Raises:
        ModelMismatchError: If the graph is not what the model's description says.
    """
    spec = model.spec
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    core = Core()
    try:
        network = core.read_model(model.path)
        network.reshape([1, len(spec.channels), *spec.window])
        compiled = core.compile_model(network, _DEVICE, settings)
    except RuntimeError as error:
        problem = "OpenVINO cannot compile it for the window and channels"
        raise ModelMismatchError(model.path, problem) from error
    classes = compiled.output(0).shape[1]
    if classes != len(spec.classes):
        raise ModelMismatchError(model.path, f"it has {classes} classes, not {len(spec.classes)}")
    return OpenVinoModel(compiled)
