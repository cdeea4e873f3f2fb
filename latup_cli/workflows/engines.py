"""Open a model on the engine and device that are asked for and work here."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from latup_cli.config import InferenceSettings
from latup_cli.domain.segmentation import RunsOn
from latup_cli.errors import DeviceError
from latup_cli.inference.choose import Attempt, Available, plan_engines
from latup_cli.inference.models import Model
from latup_cli.inference.windows import Predict

_PRECISION = "float32"


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A network that is ready, and where it will run."""

    predict: Predict
    runs_on: RunsOn


def open_engine(model: Model, settings: InferenceSettings) -> Opened:
    """Try engines in the planned order until one works; each failure becomes part of the reason.

    Raises:
        DeviceError: If nothing works.
        ModelMismatchError: If the graph is not what the model's description says.
    """
    plan = plan_engines(settings.device, settings.engine, available())
    reasons = [plan.reason] if plan.reason else []
    for attempt in plan.attempts:
        try:
            return _open(model, attempt, settings, "; ".join(reasons))
        except DeviceError as error:
            reasons.append(str(error).rstrip("."))
    raise DeviceError(str(settings.device), "; ".join(reasons))


def available() -> Available:
    """What is installed here."""
    runtimes = tuple(name for name in ("onnxruntime", "onnxruntime-gpu") if _is_distribution(name))
    providers: tuple[str, ...] = ()
    openvino = find_spec("openvino") is not None
    if find_spec("onnxruntime") is not None:
        from latup_cli.inference import onnxruntime_engine

        providers = onnxruntime_engine.providers()
    return Available(openvino, providers, has_nvidia_driver(), runtimes)


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver library can be loaded; this starts nothing on a GPU."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _open(model: Model, attempt: Attempt, settings: InferenceSettings, reason: str) -> Opened:
    if attempt.engine == "openvino":
        from latup_cli.inference import openvino_engine

        compiled = openvino_engine.open_on_cpu(model, settings.threads)
        version, provider, predict = openvino_engine.VERSION, compiled.provider, compiled
        return Opened(predict, _runs_on(settings, attempt, version, provider, reason))
    from latup_cli.inference import onnxruntime_engine

    if attempt.device.kind == "cuda":
        session = onnxruntime_engine.open_on_cuda(model, attempt.device)
    else:
        session = onnxruntime_engine.open_on_cpu(model, settings.threads)
    version = onnxruntime_engine.VERSION
    return Opened(session, _runs_on(settings, attempt, version, session.provider, reason))


def _runs_on(
    settings: InferenceSettings, attempt: Attempt, version: str, provider: str, reason: str
) -> RunsOn:
    return RunsOn(
        asked=str(settings.device),
        used=str(attempt.device),
        engine=f"{attempt.engine} {version}",
        provider=provider,
        precision=_PRECISION,
        reason=reason or "it is the fastest that works here",
    )


def _is_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
