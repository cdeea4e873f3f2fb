"""Which engine on which device, as pure functions of what is asked and what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from latup_cli.config import Device
from latup_cli.errors import DeviceError

CUDA_PROVIDER = "CUDAExecutionProvider"

ON_CPU = ("openvino", "onnxruntime")
"""Engines for the CPU, the faster one first."""

_LONGEST = 160
_EXPLANATIONS = (
    (r"out of memory|failed to allocate|bad_alloc|bad allocation", "its memory is full"),
    (r"invalid device ordinal|device_id=\d+ .*not found", "there is no GPU with this number"),
    (r"driver version is insufficient|CUDA failure 35\b", "the NVIDIA driver is too old"),
    (r"no CUDA-capable device|CUDA failure 100\b", "the NVIDIA driver finds no GPU"),
    (r"no kernel image|CUDA failure 209\b", "this build of onnxruntime does not know this GPU"),
    (r"error 126|cannot open shared object", "a library of CUDA or cuDNN is missing"),
)
"""What ONNX Runtime's errors say, in the words of the person who has to act on them."""

_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_PLACE = re.compile(r"[;,]?\s*(?:GPU|hostname|file|line|expr)\s*=.*")  # names the computer
_NOT_LOADED = re.compile(r"^Failed to load ([^:\s]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver.

    Attributes:
        cuda: The newest CUDA that it supports, as (major, minor); (0, 0) if it does not say.
        gpus: Names of the GPUs that it offers to this process.
    """

    cuda: tuple[int, int]
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """What this installation and this computer offer.

    Attributes:
        missing: Engine to why it cannot be used; an engine that is not named can be tried.
        driver: NVIDIA's; None if there is none.
        providers: Execution providers that ONNX Runtime was built with; it is asked only where
            there is a driver.
        built_for: The CUDA that ONNX Runtime was built for, as (major, minor); (0, 0) for none.
        runtimes: Installed distributions of ONNX Runtime, such as "onnxruntime-gpu".
    """

    missing: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    driver: Driver | None = None
    providers: tuple[str, ...] = ()
    built_for: tuple[int, int] = (0, 0)
    runtimes: tuple[str, ...] = ()

    @property
    def driver_cuda(self) -> tuple[int, int]:
        """The newest CUDA of the driver; (0, 0) if it is not known."""
        return self.driver.cuda if self.driver else (0, 0)


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

    `cuda` is an order: nothing else is tried. `auto` tries CUDA where it may work, then the
    CPU. On the CPU, OpenVINO comes before ONNX Runtime.

    Args:
        device: Where the network is asked to run.
        engine: "auto", "onnxruntime" or "openvino".
        available: What is there.

    Raises:
        DeviceError: If nothing that is there can do what is asked.
    """
    on_cpu = _cpu_engines(engine, available)
    missing = "" if device.kind == "cpu" else why_no_cuda(device, engine, available)
    if device.kind == "cuda":
        if missing:
            raise DeviceError(str(device), missing)
        return Plan((Attempt("onnxruntime", device),))
    if not on_cpu:
        raise DeviceError(str(device), _why_no_engine(engine, available))
    if device.kind == "cpu":
        return Plan(on_cpu, "the CPU was asked for")
    if missing:
        return Plan(on_cpu, missing)
    return Plan((Attempt("onnxruntime", Device("cuda")), *on_cpu))


def why_no_cuda(device: Device, engine: str, available: Available) -> str:
    """Why CUDA need not be tried; empty if it may work."""
    if engine == "openvino":
        return "OpenVINO or its arithmetic was asked for, which does not run on CUDA"
    if "onnxruntime" in available.missing:
        return available.missing["onnxruntime"]
    return _why_no_gpu(device, available.driver) or _why_no_build(available)


def two_runtimes(runtimes: tuple[str, ...]) -> str:
    """What is wrong with the installed distributions of ONNX Runtime; empty if nothing is.

    They bring the same files, so that the one installed last wins and the other's providers
    vanish.
    """
    if len(runtimes) < 2:  # noqa: PLR2004
        return ""
    return f"{' and '.join(runtimes)} are installed together and overwrite each other"


def libraries_not_loaded(printed: str) -> tuple[str, ...]:
    """Libraries that ONNX Runtime said it could not load before a session, in its order."""
    return tuple(dict.fromkeys(_NOT_LOADED.findall(printed)))


def explain(error: str) -> str:
    """An engine's error as part of a sentence, without codes, source lines or host names."""
    for pattern, meaning in _EXPLANATIONS:
        if re.search(pattern, error, re.IGNORECASE):
            return meaning
    first = _PLACE.sub("", _CODE.sub("", error.strip().partition("\n")[0])).rstrip(" .;:")
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST]}..."


def is_memory_full(error: str) -> bool:
    """Whether an engine's error says that there is no memory left."""
    return explain(error) == _EXPLANATIONS[0][1]


def _cpu_engines(engine: str, available: Available) -> tuple[Attempt, ...]:
    wanted = ON_CPU if engine == "auto" else (engine,)
    return tuple(Attempt(name, Device("cpu")) for name in wanted if name not in available.missing)


def _why_no_engine(engine: str, available: Available) -> str:
    wanted = ON_CPU if engine == "auto" else (engine,)
    return "; ".join(available.missing[name] for name in wanted)


def _why_no_gpu(device: Device, driver: Driver | None) -> str:
    if driver is None:
        return "there is no NVIDIA driver"
    if not driver.gpus:
        return "the NVIDIA driver finds no GPU"
    if device.kind == "cuda" and device.index >= len(driver.gpus):
        return f"the last GPU is cuda:{len(driver.gpus) - 1}"
    return ""


def _why_no_build(available: Available) -> str:
    if CUDA_PROVIDER not in available.providers:
        together = two_runtimes(available.runtimes)
        return together or "this build of onnxruntime has no CUDA"
    has, needs = available.driver_cuda, available.built_for
    if has != (0, 0) and has[0] < needs[0]:
        return (
            f"the NVIDIA driver supports CUDA {has[0]}.{has[1]} and onnxruntime needs {needs[0]}.x"
        )
    return ""
