"""Run a network in OpenVINO on the CPU; it reads the same ONNX file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import numpy as np

from latup_cli.config import BFLOAT16, FLOAT32, INT8
from latup_cli.errors import DeviceMemoryError, ModelMismatchError
from latup_cli.imaging.lean import without
from latup_cli.inference import cache
from latup_cli.inference.choose import is_memory_full
from latup_cli.inference.models import Graph
from latup_cli.inference.windows import Array

with without("openvino.tools.ovc"):  # its converters, with everything that they import
    from openvino import CompiledModel, Core
    from openvino import Model as Network

VERSION = metadata.version("openvino")

_DEVICE = "CPU"
_HINTS = {FLOAT32: "f32", BFLOAT16: "bf16", INT8: "f32"}
"""Precision to what layers compute in that are not quantized; OpenVINO would choose by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenVinoModel:
    """A network compiled for one window size.

    Attributes:
        compiled: OpenVINO's.
        provider: The plug-in that runs it.
        options: What OpenVINO was told, for the report.
    """

    compiled: CompiledModel
    provider: str = _DEVICE
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

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


def open_on_cpu(
    graph: Graph, threads: int = 0, precision: str = FLOAT32, folder: Path | None = None
) -> OpenVinoModel:
    """Compile a network for its window, or take what was compiled before.

    Args:
        graph: The network, in the file that the precision takes.
        threads: CPU threads; 0 lets OpenVINO choose.
        precision: "float32", "bfloat16", or "int8" for a graph that is quantized.
        folder: The cache of compiled networks; None for none.

    Raises:
        ModelMismatchError: If the graph is not what the model's description says.
    """
    options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    name = cache.key(
        graph.sha256, graph.inputs, graph.outputs, graph.window, VERSION, processor(), options
    )
    compiled = _from_cache(folder, name, options)
    if compiled is None:
        compiled = _compile(graph, options)
        _keep(compiled, folder, name)
    return OpenVinoModel(compiled, options=options)


def _from_cache(folder: Path | None, name: str, options: dict[str, str]) -> CompiledModel | None:
    content = cache.load(folder, name)
    if content is None:
        return None
    try:
        return Core().import_model(io.BytesIO(content), _DEVICE, options)
    except (RuntimeError, TypeError, ValueError):  # another build of OpenVINO wrote it
        cache.drop(folder, name)
        return None


def _keep(compiled: CompiledModel, folder: Path | None, name: str) -> None:
    if folder is None:
        return
    try:
        exported = compiled.export_model()
    except RuntimeError:  # a plug-in that cannot; the network runs all the same
        return
    content = exported.getvalue() if isinstance(exported, io.BytesIO) else bytes(exported)
    cache.store(folder, name, content)


def _compile(graph: Graph, options: dict[str, str]) -> CompiledModel:
    core = Core()
    try:
        network = core.read_model(graph.path)
        _check_graph(network, graph)
        network.reshape([1, graph.inputs, *graph.window])
        return core.compile_model(network, _DEVICE, options)
    except RuntimeError as error:
        problem = "OpenVINO cannot read it, or compile it for the window"
        raise ModelMismatchError(graph.path, problem) from error


def _check_graph(network: Network, graph: Graph) -> None:
    """Before reshaping, which forces a shape on any graph."""
    for what, tensors, channels in (
        ("input", network.inputs, graph.inputs),
        ("output", network.outputs, graph.outputs),
    ):
        shape = tensors[0].partial_shape if len(tensors) == 1 else None
        if shape is None or len(shape) != 5 or shape[1] != channels:  # noqa: PLR2004 (n, c, i, j, k)
            problem = f"{what} {shape} does not have {channels} channels"
            raise ModelMismatchError(graph.path, problem)
