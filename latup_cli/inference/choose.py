"""Which engine on which device, as pure functions of what is asked and what is there."""

from __future__ import annotations

from dataclasses import dataclass

from latup_cli.config import Device
from latup_cli.errors import DeviceError

CUDA_PROVIDER = "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Available:
    """What this installation offers.

    Attributes:
        openvino: Whether OpenVINO is installed.
        providers: Execution providers that ONNX Runtime was built with; empty if it is absent.
        driver: Whether NVIDIA's driver is there.
        runtimes: Installed distributions of ONNX Runtime, such as "onnxruntime-gpu".
    """

    openvino: bool
    providers: tuple[str, ...]
    driver: bool = False
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One engine on one device, to be tried."""

    engine: str
    device: Device


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try, in order, and why nothing better is tried.

    Attributes:
        attempts: At least one.
        reason: Why the first attempt is not what one might expect; empty otherwise.
    """

    attempts: tuple[Attempt, ...]
    reason: str = ""


def plan_engines(device: Device, engine: str, available: Available) -> Plan:
    """Decide what to try.

    `cuda` is an order: nothing else is tried. `auto` tries CUDA where ONNX Runtime was built
    with it, then the CPU. On the CPU, OpenVINO comes before ONNX Runtime.

    Args:
        device: Where the network is asked to run.
        engine: "auto", "onnxruntime" or "openvino".
        available: What is installed.

    Raises:
        DeviceError: If nothing that is installed can do what is asked.
    """
    on_cpu = _cpu_engines(engine, available)
    missing = why_no_cuda(engine, available)
    if device.kind == "cuda":
        if missing:
            raise DeviceError(str(device), missing)
        return Plan((Attempt("onnxruntime", device),))
    if not on_cpu:
        raise DeviceError(str(device), f"the engine {engine} is not installed")
    if device.kind == "cpu":
        return Plan(on_cpu, "the CPU was asked for")
    if missing:
        return Plan(on_cpu, missing)
    return Plan((Attempt("onnxruntime", Device("cuda")), *on_cpu))


def why_no_cuda(engine: str, available: Available) -> str:
    """Why CUDA need not be tried; empty if it may work."""
    if engine == "openvino":
        return "OpenVINO was asked for, which does not run on CUDA"
    if not available.providers:
        return "onnxruntime is not installed"
    if CUDA_PROVIDER in available.providers:
        return "" if available.driver else "there is no NVIDIA driver"
    if len(available.runtimes) > 1:
        return f"{' and '.join(available.runtimes)} are installed together, which disables CUDA"
    return "this build of onnxruntime has no CUDA"


def _cpu_engines(engine: str, available: Available) -> tuple[Attempt, ...]:
    present = {"openvino": available.openvino, "onnxruntime": bool(available.providers)}
    wanted = tuple(present) if engine == "auto" else (engine,)
    return tuple(Attempt(name, Device("cpu")) for name in wanted if present.get(name))
