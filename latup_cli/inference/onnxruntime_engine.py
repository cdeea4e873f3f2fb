"""Run a network in ONNX Runtime, on CUDA or the CPU, and know where it really runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latup_cli.config import Device
from latup_cli.domain.model import ModelSpec
from latup_cli.errors import DeviceError, DeviceMemoryError, ModelMismatchError
from latup_cli.inference.choose import (
    CUDA_PROVIDER,
    explain,
    is_memory_full,
    libraries_not_loaded,
)
from latup_cli.inference.models import Model
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
    """

    session: ort.InferenceSession
    provider: str
    device: str

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


def open_on_cpu(model: Model, threads: int = 0) -> OnnxRuntimeModel:
    """Open a network on the CPU.

    Args:
        model: The model.
        threads: CPU threads; 0 lets ONNX Runtime choose.

    Raises:
        ModelMismatchError: If the graph is not what the model's description says.
    """
    try:
        return OnnxRuntimeModel(_session(model, [CPU_PROVIDER], threads), CPU_PROVIDER, "cpu")
    except native.Fail as error:  # such as an operator set that this release does not know
        raise ModelMismatchError(model.path, _explained(error)) from error


def open_on_cuda(model: Model, device: Device) -> OnnxRuntimeModel:
    """Open a network on a GPU, read the provider back, and check one tile against the CPU.

    ONNX Runtime falls back to the CPU without an error where CUDA's libraries do not load
    (microsoft/onnxruntime#23372), or raises where it should fall back (#21424).

    Raises:
        DeviceError: If the session does not run on CUDA, or computes something else there.
        ModelMismatchError: If the graph is not what the model's description says.
    """
    asked = str(device)
    with quiet() as printed:
        session = _cuda_session(model, device)
    provider = session.get_providers()[0]
    if provider != CUDA_PROVIDER:
        raise DeviceError(asked, _why_on_cpu(printed.getvalue()))
    opened = OnnxRuntimeModel(session, provider, asked)
    off = tile_difference(opened, open_on_cpu(model), model.spec)
    if not off <= _TILE_TOLERANCE:
        raise DeviceError(asked, f"its probabilities differ from the CPU's by {off:.3g}")
    return opened


def tile_difference(here: OnnxRuntimeModel, there: OnnxRuntimeModel, spec: ModelSpec) -> float:
    """The largest difference in probability on a small input of seeded noise."""
    sizes = [spec.stride * n for n in (2, 3, 4)]
    noise = np.random.default_rng(0).standard_normal((1, len(spec.channels), *sizes))
    tile = noise.astype(np.float32)
    return float(np.abs(here(tile) - there(tile)).max())


def _cuda_session(model: Model, device: Device) -> ort.InferenceSession:
    options = {"device_id": str(device.index), "cudnn_conv_algo_search": "HEURISTIC"}
    try:
        ort.preload_dlls()
        return _session(model, [(CUDA_PROVIDER, options), CPU_PROVIDER], 0)
    except ModelMismatchError:
        raise
    except Exception as error:
        raise DeviceError(str(device), _explained(error)) from error


def _session(
    model: Model, wanted: Sequence[str | tuple[str, dict[str, str]]], threads: int
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # the arena keeps every peak; memory matters more here
    try:
        session = ort.InferenceSession(
            str(model.path), options, providers=wanted, enable_fallback=0
        )
    except _BAD_GRAPH as error:
        raise ModelMismatchError(model.path, "it is not an ONNX graph that can be run") from error
    _check_graph(session, model)
    return session


def _check_graph(session: ort.InferenceSession, model: Model) -> None:
    spec = model.spec
    for what, tensors, channels in (
        ("input", session.get_inputs(), len(spec.channels)),
        ("output", session.get_outputs(), len(spec.classes)),
    ):
        shape = tensors[0].shape if len(tensors) == 1 else None
        if shape is None or len(shape) != 5 or shape[1] != channels:  # noqa: PLR2004 (n, c, i, j, k)
            raise ModelMismatchError(
                model.path, f"{what} {shape} does not have {channels} channels"
            )


def _why_on_cpu(printed: str) -> str:
    missing = libraries_not_loaded(printed)
    if missing:
        return f"{', '.join(missing)} cannot be loaded"
    return "the libraries of CUDA and cuDNN cannot be loaded"


def _explained(error: Exception) -> str:
    return explain(str(error)) or type(error).__name__
