"""Open a model on the engine and device that are asked for and work here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from latup_cli.config import AUTO, FLOAT32, InferenceSettings
from latup_cli.domain.segmentation import RunsOn
from latup_cli.errors import (
    DeviceError,
    LatupError,
    ModelMismatchError,
    NotEnoughMemoryError,
)
from latup_cli.inference import cache, memory
from latup_cli.inference.choose import ON_CPU, Attempt, Available, plan_engines
from latup_cli.inference.cuda_driver import find_driver
from latup_cli.inference.models import Graph
from latup_cli.inference.precision import Precision, choose_precision
from latup_cli.inference.processor import read_processor
from latup_cli.inference.threads import threads
from latup_cli.inference.windows import Array, Predict

if TYPE_CHECKING:
    from latup_cli.inference.onnxruntime_engine import OnnxRuntimeModel
    from latup_cli.inference.openvino_engine import OpenVinoModel

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Distributions that all bring the package `onnxruntime`."""


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


def open_engine(graph: Graph, settings: InferenceSettings) -> Opened:
    """Try engines in the planned order until one works; each failure becomes part of the reason.

    Args:
        graph: The network, verified.
        settings: The device, engine and precision that are asked for, and CPU threads.

    Raises:
        DeviceError: If nothing works.
        NotEnoughMemoryError: If it is known beforehand that memory will not do.
        PrecisionMissingError: If the network has no weights for the precision asked for.
        ModelMismatchError: If the graph is not what the model's description says.
    """
    device = settings.device
    # only OpenVINO computes in anything shorter
    engine = settings.engine if settings.precision in (AUTO, FLOAT32) else "openvino"
    look_for_cuda = device.kind != "cpu" and engine != "openvino"
    plan = plan_engines(device, engine, available(look_for_cuda=look_for_cuda))
    reasons = (plan.reason,) if plan.reason else ()
    return _open_first(graph, plan.attempts, settings, reasons)


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
    graph: Graph,
    attempts: Sequence[Attempt],
    settings: InferenceSettings,
    reasons: tuple[str, ...],
) -> Opened:
    failures: list[LatupError] = []
    for number, attempt in enumerate(attempts, start=1):
        try:
            opened = _open(graph, attempt, settings, reasons)
        except (DeviceError, ModelMismatchError) as error:
            failures.append(error)
            reasons = (*reasons, str(error).rstrip("."))
            continue
        rest = attempts[number:]
        if attempt.device.kind == "cuda" and rest:
            return replace(opened, fallback=_fallback(graph, rest, settings))
        return opened
    raise _worst(failures, settings, reasons)


def _worst(
    failures: Sequence[LatupError], settings: InferenceSettings, reasons: tuple[str, ...]
) -> LatupError:
    """What is wrong with the model matters more than what an engine lacks."""
    telling = (ModelMismatchError, NotEnoughMemoryError)
    told = [error for error in failures if isinstance(error, telling)]
    if told or len(failures) == 1:
        return (told or failures)[0]
    return DeviceError(str(settings.device), "; ".join(reasons))


def _fallback(
    graph: Graph, rest: Sequence[Attempt], settings: InferenceSettings
) -> Callable[[DeviceError], Opened]:
    def open_next(error: DeviceError) -> Opened:
        lost = f"{error.args[0]} failed at work: {error.reason}"
        moved = _open_first(graph, rest, settings, (lost,))
        return replace(moved, warnings=(f"{lost}; the rest was computed on the CPU.",))

    return open_next


def _open(
    graph: Graph, attempt: Attempt, settings: InferenceSettings, reasons: tuple[str, ...]
) -> Opened:
    on_cpu = attempt.device.kind == "cpu"
    chosen = _precision(graph, attempt, settings.precision)
    if on_cpu:
        _check_room(graph, attempt.engine, chosen.name)
    count = threads(settings.threads) if on_cpu else 0
    version, network = _network(attempt, graph.in_precision(chosen.name), chosen.name, count)
    runs_on = RunsOn(
        asked=str(settings.device),
        used=str(attempt.device),
        engine=f"{attempt.engine} {version}",
        provider=network.provider,
        precision=chosen.name,
        reason="; ".join(reasons) or "it is the fastest that works here",
        precision_reason=chosen.reason,
        threads=count,
        options=dict(network.options),
    )
    return Opened(network, runs_on)


def _precision(graph: Graph, attempt: Attempt, asked: str) -> Precision:
    abilities: tuple[str, ...] = ()
    if attempt.engine == "openvino":
        with importing("openvino"):
            from latup_cli.inference import openvino_engine
        _, abilities = openvino_engine.processor()
    offered = {name: file.default for name, file in graph.precisions.items()}
    return choose_precision(
        asked, attempt.engine, attempt.device.kind, read_processor(abilities), offered
    )


def _check_room(graph: Graph, engine: str, precision: str) -> None:
    each = memory.bytes_per_voxel(graph.bytes_per_voxel, engine, precision)
    if each is not None:
        needed = memory.foreseen_bytes(graph.window, each)
        memory.check_memory(needed, memory.free_bytes(), graph.window, smaller=graph.smaller)


def _network(
    attempt: Attempt, graph: Graph, precision: str, count: int
) -> tuple[str, OnnxRuntimeModel | OpenVinoModel]:
    if attempt.engine == "openvino":
        with importing("openvino"):
            from latup_cli.inference import openvino_engine as openvino
        opened = openvino.open_on_cpu(graph, count, precision, cache.here())
        return openvino.VERSION, opened
    with importing("onnxruntime"):
        from latup_cli.inference import onnxruntime_engine as onnxruntime
    if attempt.device.kind == "cuda":
        on_cuda = onnxruntime.open_on_cuda(graph, attempt.device, precision)
        return onnxruntime.VERSION, on_cuda
    return onnxruntime.VERSION, onnxruntime.open_on_cpu(graph, count)
