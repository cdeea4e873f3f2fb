"""Run a network in ONNX Runtime, on CUDA or the CPU, and know where it really runs."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from latup_cli.config import Device
from latup_cli.domain.model import ModelSpec
from latup_cli.errors import DeviceError, ModelMismatchError
from latup_cli.inference.choose import CUDA_PROVIDER
from latup_cli.inference.models import Model
from latup_cli.inference.windows import Array

CPU_PROVIDER = "CPUExecutionProvider"
VERSION: str = ort.__version__

_FATAL_ONLY = 4  # the C++ library's own error lines would go to the user's screen
_TILE_TOLERANCE = 0.02  # CUDA may round products to ten bits (TF32)

ort.set_default_logger_severity(_FATAL_ONLY)
if sys.platform == "win32":
    ort.disable_telemetry_events()


@dataclass(frozen=True, slots=True, eq=False)
class OnnxRuntimeModel:
    """A network in a session.

    Attributes:
        session: ONNX Runtime's.
        provider: The execution provider that was read back.
    """

    session: ort.InferenceSession
    provider: str

    def __call__(self, window: Array) -> Array:
        """(1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities."""
        (probabilities,) = self.session.run(None, {self.session.get_inputs()[0].name: window})
        return np.asarray(probabilities, dtype=np.float32)


def providers() -> tuple[str, ...]:
    """Execution providers that this build knows, whether or not they work here."""
    return tuple(ort.get_available_providers())


def open_on_cpu(model: Model, threads: int = 0) -> OnnxRuntimeModel:
    """Open a network on the CPU.

    Raises:
        ModelMismatchError: If the graph is not what the model's description says.
    """
    return OnnxRuntimeModel(_session(model, [CPU_PROVIDER], threads), CPU_PROVIDER)


def open_on_cuda(model: Model, device: Device) -> OnnxRuntimeModel:
    """Open a network on a GPU, read the provider back, and check one tile against the CPU.

    ONNX Runtime falls back to the CPU without an error where CUDA's libraries do not load.

    Raises:
        DeviceError: If the session does not run on CUDA, or computes something else there.
    """
    asked = str(device)
    try:
        with redirect_stdout(io.StringIO()):  # it prints what it misses; the reason is ours to say
            ort.preload_dlls()
        options = {"device_id": str(device.index), "cudnn_conv_algo_search": "HEURISTIC"}
        session = _session(model, [(CUDA_PROVIDER, options), CPU_PROVIDER], 0)
    except ModelMismatchError:
        raise
    except Exception as error:
        raise DeviceError(asked, _first_line(error)) from error
    provider = session.get_providers()[0]
    if provider != CUDA_PROVIDER:
        raise DeviceError(asked, "the driver or the CUDA and cuDNN libraries could not be loaded")
    session.disable_fallback()
    opened = OnnxRuntimeModel(session, provider)
    _check_tile(opened, model, asked)
    return opened


def _session(
    model: Model, wanted: Sequence[str | tuple[str, dict[str, str]]], threads: int
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # the arena keeps every peak; memory matters more here
    try:
        session = ort.InferenceSession(str(model.path), options, providers=wanted)
    except ort.capi.onnxruntime_pybind11_state.InvalidProtobuf as error:
        raise ModelMismatchError(model.path, "it is not an ONNX graph") from error
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


def _check_tile(opened: OnnxRuntimeModel, model: Model, asked: str) -> None:
    tile = example_tile(model.spec)
    try:
        here = opened(tile)
    except Exception as error:
        raise DeviceError(asked, _first_line(error)) from error
    off = float(np.abs(here - open_on_cpu(model)(tile)).max())
    if not off <= _TILE_TOLERANCE:
        raise DeviceError(asked, f"its probabilities differ from the CPU's by {off:.3g}")


def example_tile(spec: ModelSpec) -> Array:
    """A small (1, channels, i, j, k) input of seeded noise, for comparing devices."""
    sizes = [spec.stride * n for n in (2, 3, 4)]
    noise = np.random.default_rng(0).standard_normal((1, len(spec.channels), *sizes))
    return noise.astype(np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
