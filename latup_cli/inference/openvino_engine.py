"""Run a network in OpenVINO on the CPU; it reads the same ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

import numpy as np
from openvino import CompiledModel, Core
from openvino import Model as Network

from latup_cli.errors import DeviceMemoryError, ModelMismatchError
from latup_cli.inference.choose import is_memory_full
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
        """(1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities.

        Raises:
            DeviceMemoryError: If memory runs out.
        """
        try:
            (probabilities,) = self.compiled(window, share_inputs=True).values()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or is_memory_full(str(error)):
                raise DeviceMemoryError("cpu") from error
            raise
        return np.asarray(probabilities, dtype=np.float32)


def processor() -> tuple[str, tuple[str, ...]]:
    """The processor's name, and the arithmetic that OpenVINO can use on it, such as "BF16"."""
    core = Core()
    abilities = map(str, core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"))
    arithmetic = tuple(sorted(name for name in abilities if name[-1].isdigit()))
    return str(core.get_property(_DEVICE, "FULL_DEVICE_NAME")), arithmetic


def open_on_cpu(model: Model, threads: int = 0) -> OpenVinoModel:
    """Compile a network for its window in float32.

    OpenVINO would choose bfloat16 by itself on some processors, so the precision is forced.

    Args:
        model: The model.
        threads: CPU threads; 0 lets OpenVINO choose.

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
        _check_graph(network, model)
        network.reshape([1, len(spec.channels), *spec.window])
        return OpenVinoModel(core.compile_model(network, _DEVICE, settings))
    except RuntimeError as error:
        problem = "OpenVINO cannot read it, or compile it for the window"
        raise ModelMismatchError(model.path, problem) from error


def _check_graph(network: Network, model: Model) -> None:
    """Before reshaping, which forces a shape on any graph."""
    spec = model.spec
    for what, tensors, channels in (
        ("input", network.inputs, len(spec.channels)),
        ("output", network.outputs, len(spec.classes)),
    ):
        shape = tensors[0].partial_shape if len(tensors) == 1 else None
        if shape is None or len(shape) != 5 or shape[1] != channels:  # noqa: PLR2004 (n, c, i, j, k)
            problem = f"{what} {shape} does not have {channels} channels"
            raise ModelMismatchError(model.path, problem)
