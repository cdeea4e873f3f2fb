"""Run a network in ONNX Runtime, on CUDA or the CPU, and know where it really runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from latup_cli.config import FLOAT32, Device
from latup_cli.errors import DeviceError, DeviceMemoryError, ModelMismatchError
from latup_cli.inference.choose import (
    CUDA_PROVIDER,
    explain,
    is_memory_full,
    libraries_not_loaded,
)
from latup_cli.inference.models import Graph
from latup_cli.inference.quiet import quiet
from latup_cli.inference.windows import Array

with quiet():  # it warns of GPUs it cannot look at before it can be told not to
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as native

CPU_PROVIDER = "CPUExecutionProvider"
VERSION: str = ort.__version__

_FATAL_ONLY = 4  # the C++ library's own error lines would go to the user's screen
_TILE_TOLERANCE = 0.02  # CUDA may round products to ten bits (TF32)
_BAD_GRAPH = (native.InvalidProtobuf, native.InvalidGraph, native.NotImplemented)

ort.set_default_logger_severity(_FATAL_ONLY)
ort.disable_telemetry_events()  # on Windows the variable alone is not enough


@dataclass(frozen=True, slots=True, eq=False)
class OnnxRuntimeModel:
    """A network in a session.

    Attributes:
        session: ONNX Runtime's.
        provider: The execution provider that was read back.
        device: Where it runs: "cpu" or "cuda:0".
        options: What the provider was told, for the report.
    """

    session: ort.InferenceSession
    provider: str
    device: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __call__(self, window: Array) -> Array:
        """(1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities.

        Raises:
            DeviceError: If the GPU fails, or memory runs out.
        """
        try:
            (probabilities,) = self.session.run(None, {self.session.get_inputs()[0].name: window})
        except Exception as error:
            if isinstance(error, MemoryError) or is_memory_full(str(error)):
                raise DeviceMemoryError(self.device) from error
            if self.provider == CPU_PROVIDER:
                raise
            raise DeviceError(self.device, _explained(error)) from error
        return np.asarray(probabilities, dtype=np.float32)


def providers() -> tuple[str, ...]:
    """Execution providers that this build knows, whether or not they work here."""
    return tuple(ort.get_available_providers())


def built_for_cuda() -> tuple[int, int]:
    """The CUDA that this build needs, as (major, minor); (0, 0) if it has none."""
    major, _, minor = str(getattr(ort, "cuda_version", "") or "").partition(".")
    return (int(major), int(minor.partition(".")[0] or 0)) if major.isdigit() else (0, 0)


def open_on_cpu(graph: Graph, threads: int = 0) -> OnnxRuntimeModel:
    """Open a network on the CPU.

    Args:
        graph: The network.
        threads: CPU threads; 0 lets ONNX Runtime choose.

    Raises:
        ModelMismatchError: If the graph is not what the model's description says.
    """
    try:
        return OnnxRuntimeModel(_session(graph, [CPU_PROVIDER], threads), CPU_PROVIDER, "cpu")
    except native.Fail as error:  # such as an operator set that this release does not know
        raise ModelMismatchError(graph.path, _explained(error)) from error


def open_on_cuda(graph: Graph, device: Device, precision: str = "tf32") -> OnnxRuntimeModel:
    """Open a network on a GPU, read the provider back, and check one tile against the CPU.

    ONNX Runtime falls back to the CPU without an error where CUDA's libraries do not load
    (microsoft/onnxruntime#23372), or raises where it should fall back (#21424). A window comes
    from the host's memory and its answer goes back there once, so that I/O binding saves nothing.

    Args:
        graph: The network.
        device: Which GPU.
        precision: "tf32", or "float32" to keep all bits of the products.

    Raises:
        DeviceError: If the session does not run on CUDA, or computes something else there.
        ModelMismatchError: If the graph is not what the model's description says.
    """
    asked = str(device)
    with quiet() as printed:
        options = cuda_options(device, precision)
        session = _cuda_session(graph, device, options)
    provider = session.get_providers()[0]
    if provider != CUDA_PROVIDER:
        raise DeviceError(asked, _why_on_cpu(printed.getvalue()))
    opened = OnnxRuntimeModel(session, provider, asked, options)
    off = tile_difference(opened, open_on_cpu(graph), graph)
    if not off <= _TILE_TOLERANCE:
        raise DeviceError(asked, f"its probabilities differ from the CPU's by {off:.3g}")
    return opened


def tile_difference(here: OnnxRuntimeModel, there: OnnxRuntimeModel, graph: Graph) -> float:
    """The largest difference in probability on a small input of seeded noise."""
    sizes = [graph.stride * n for n in (2, 3, 4)]
    noise = np.random.default_rng(0).standard_normal((1, graph.inputs, *sizes))
    tile = noise.astype(np.float32)
    return float(np.abs(here(tile) - there(tile)).max())


def cuda_options(device: Device, precision: str) -> dict[str, str]:
    """What the CUDA provider is told.

    cuDNN's exhaustive search would take longer than a study, and memory grows by what is needed
    instead of to the next power of two.
    """
    return {
        "device_id": str(device.index),
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0" if precision == FLOAT32 else "1",
    }


def _cuda_session(graph: Graph, device: Device, options: dict[str, str]) -> ort.InferenceSession:
    try:
        ort.preload_dlls()
        return _session(graph, [(CUDA_PROVIDER, options), CPU_PROVIDER], 0)
    except ModelMismatchError:
        raise
    except Exception as error:
        raise DeviceError(str(device), _explained(error)) from error


def _session(
    graph: Graph, wanted: Sequence[str | tuple[str, dict[str, str]]], threads: int
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # the arena keeps every peak; memory matters more here
    try:
        session = ort.InferenceSession(
            str(graph.path), options, providers=wanted, enable_fallback=0
        )
    except _BAD_GRAPH as error:
        raise ModelMismatchError(graph.path, "it is not an ONNX graph that can be run") from error
    _check_graph(session, graph)
    return session


def _check_graph(session: ort.InferenceSession, graph: Graph) -> None:
    for what, tensors, channels in (
        ("input", session.get_inputs(), graph.inputs),
        ("output", session.get_outputs(), graph.outputs),
    ):
        shape = tensors[0].shape if len(tensors) == 1 else None
        if shape is None or len(shape) != 5 or shape[1] != channels:  # noqa: PLR2004 (n, c, i, j, k)
            raise ModelMismatchError(
                graph.path, f"{what} {shape} does not have {channels} channels"
            )


def _why_on_cpu(printed: str) -> str:
    missing = libraries_not_loaded(printed)
    if missing:
        return f"{', '.join(missing)} cannot be loaded"
    return "the libraries of CUDA and cuDNN cannot be loaded"


def _explained(error: Exception) -> str:
    return explain(str(error)) or type(error).__name__
