"""Open a model on the engine and device that are asked for and work here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from latup_cli.config import InferenceSettings
from latup_cli.domain.segmentation import RunsOn
from latup_cli.errors import DeviceError, LatupError, ModelMismatchError
from latup_cli.inference.choose import ON_CPU, Attempt, Available, plan_engines
from latup_cli.inference.cuda_driver import find_driver
from latup_cli.inference.models import Model
from latup_cli.inference.windows import Array, Predict

if TYPE_CHECKING:
    from latup_cli.inference.onnxruntime_engine import OnnxRuntimeModel
    from latup_cli.inference.openvino_engine import OpenVinoModel

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Distributions that all bring the package `onnxruntime`."""

_PRECISION = "float32"


@dataclass(slots=True, eq=False)
class Opened:
    """A network that is ready; under `auto` it moves to the CPU if its GPU fails at work.

    Attributes:
        network: What runs it.
        runs_on: Where it runs now.
        warnings: What happened on the way that the user should know.
        fallback: What opens the network elsewhere if the device fails; None if that is not
            allowed.
    """

    network: Predict
    runs_on: RunsOn
    warnings: tuple[str, ...] = ()
    fallback: Callable[[DeviceError], Opened] | None = None

    def predict(self, window: Array) -> Array:
        """(1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities.

        Raises:
            DeviceError: If the device fails and there is no other.
        """
        try:
            return self.network(window)
        except DeviceError as error:
            if self.fallback is None:
                raise
            moved = self.fallback(error)
        self.network, self.runs_on = moved.network, moved.runs_on
        self.warnings, self.fallback = moved.warnings, None
        return self.network(window)


def open_engine(model: Model, settings: InferenceSettings) -> Opened:
    """Try engines in the planned order until one works; each failure becomes part of the reason.

    Args:
        model: The model, verified.
        settings: The device and engine that are asked for, and CPU threads.

    Raises:
        DeviceError: If nothing works.
        ModelMismatchError: If the graph is not what the model's description says.
    """
    device = settings.device
    look_for_cuda = device.kind != "cpu" and settings.engine != "openvino"
    plan = plan_engines(device, settings.engine, available(look_for_cuda=look_for_cuda))
    reasons = (plan.reason,) if plan.reason else ()
    return _open_first(model, plan.attempts, settings, reasons)


def available(*, look_for_cuda: bool = True) -> Available:
    """What is installed here; ONNX Runtime is imported only if there is an NVIDIA driver."""
    missing = {name: f"{name} is not installed" for name in ON_CPU if find_spec(name) is None}
    driver = find_driver() if look_for_cuda else None
    found = Available(missing=missing, driver=driver, runtimes=installed(RUNTIMES))
    if driver is None or "onnxruntime" in missing:
        return found
    try:
        with importing("onnxruntime"):
            from latup_cli.inference import onnxruntime_engine
    except DeviceError as error:
        return replace(found, missing={**missing, "onnxruntime": str(error).rstrip(".")})
    return replace(
        found,
        providers=onnxruntime_engine.providers(),
        built_for=onnxruntime_engine.built_for_cuda(),
    )


@contextmanager
def importing(engine: str) -> Iterator[None]:
    """Around the import of an engine, which may be missing, broken, or half removed.

    Raises:
        DeviceError: If it cannot be imported.
    """
    try:
        yield
    except (ImportError, OSError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DeviceError(engine, f"it cannot be imported ({reason})") from error


def installed(names: Sequence[str]) -> tuple[str, ...]:
    """Which of these distributions are installed."""
    return tuple(name for name in names if any(metadata.distributions(name=name)))


def _open_first(
    model: Model,
    attempts: Sequence[Attempt],
    settings: InferenceSettings,
    reasons: tuple[str, ...],
) -> Opened:
    failures: list[LatupError] = []
    for number, attempt in enumerate(attempts, start=1):
        try:
            opened = _open(model, attempt, settings, reasons)
        except (DeviceError, ModelMismatchError) as error:
            failures.append(error)
            reasons = (*reasons, str(error).rstrip("."))
            continue
        rest = attempts[number:]
        if attempt.device.kind == "cuda" and rest:
            return replace(opened, fallback=_fallback(model, rest, settings))
        return opened
    raise _worst(failures, settings, reasons)


def _worst(
    failures: Sequence[LatupError], settings: InferenceSettings, reasons: tuple[str, ...]
) -> LatupError:
    """What is wrong with the model matters more than what an engine lacks."""
    mismatches = [error for error in failures if isinstance(error, ModelMismatchError)]
    if mismatches or len(failures) == 1:
        return (mismatches or failures)[0]
    return DeviceError(str(settings.device), "; ".join(reasons))


def _fallback(
    model: Model, rest: Sequence[Attempt], settings: InferenceSettings
) -> Callable[[DeviceError], Opened]:
    def open_next(error: DeviceError) -> Opened:
        lost = f"{error.args[0]} failed at work: {error.reason}"
        moved = _open_first(model, rest, settings, (lost,))
        return replace(moved, warnings=(f"{lost}; the rest was computed on the CPU.",))

    return open_next


def _open(
    model: Model, attempt: Attempt, settings: InferenceSettings, reasons: tuple[str, ...]
) -> Opened:
    version, network = _network(attempt, model, settings.threads)
    runs_on = RunsOn(
        asked=str(settings.device),
        used=str(attempt.device),
        engine=f"{attempt.engine} {version}",
        provider=network.provider,
        precision=_PRECISION,
        reason="; ".join(reasons) or "it is the fastest that works here",
    )
    return Opened(network, runs_on)


def _network(
    attempt: Attempt, model: Model, threads: int
) -> tuple[str, OnnxRuntimeModel | OpenVinoModel]:
    if attempt.engine == "openvino":
        with importing("openvino"):
            from latup_cli.inference import openvino_engine
        return openvino_engine.VERSION, openvino_engine.open_on_cpu(model, threads)
    with importing("onnxruntime"):
        from latup_cli.inference import onnxruntime_engine
    if attempt.device.kind == "cuda":
        return onnxruntime_engine.VERSION, onnxruntime_engine.open_on_cuda(model, attempt.device)
    return onnxruntime_engine.VERSION, onnxruntime_engine.open_on_cpu(model, threads)
