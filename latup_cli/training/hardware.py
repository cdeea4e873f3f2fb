"""Where and in which precision to train, decided by pure functions of what is there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from latup_cli.config import Device
from latup_cli.errors import DeviceError

_CPU_INFO = Path("/proc/cpuinfo")
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Hardware:
    """What this machine offers.

    Attributes:
        gpus: CUDA devices that PyTorch sees.
        gpu_bfloat16: Whether they compute in bfloat16.
        cpu_bfloat16: Whether the CPU is faster in bfloat16 than in float32.
    """

    gpus: int
    gpu_bfloat16: bool
    cpu_bfloat16: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run computes.

    Attributes:
        device: PyTorch's name: "cpu" or "cuda:N".
        precision: Arithmetic of convolutions: "float32", "bfloat16" or "float16".
        rank: Number of this process among those that train together.
        of: How many they are.
    """

    device: str
    precision: str
    rank: int = 0
    of: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    @property
    def on_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.device.startswith("cuda")

    @property
    def kind(self) -> str:
        """PyTorch's name for all of its kind: "cpu" or "cuda"."""
        return "cuda" if self.on_cuda else "cpu"

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the network's forward pass runs."""
        mixed = self.precision != "float32"
        return torch.autocast(self.kind, dtype=_TYPES[self.precision], enabled=mixed)


def this_machine() -> Hardware:
    """Look around."""
    gpus = torch.cuda.device_count()
    cpuinfo = _CPU_INFO.read_text(encoding="ascii", errors="ignore") if _CPU_INFO.exists() else ""
    gpu_bfloat16 = gpus > 0 and torch.cuda.is_bf16_supported()
    return Hardware(gpus, gpu_bfloat16, fast_in_bfloat16(cpuinfo))


def fast_in_bfloat16(cpuinfo: str) -> bool:
    """Whether training is faster in bfloat16 on the processor that Linux describes like this.

    With matrix units (AMX) it is. Without, `benchmarks/train_step.py` took half the time of
    float32 on an AMD EPYC with AVX512_BF16, and more time than float32 on an Intel Xeon with it.
    """
    amd = "AuthenticAMD" in cpuinfo and "avx512_bf16" in cpuinfo
    return amd or "amx_bf16" in cpuinfo


def choose_place(device: Device, precision: str, hardware: Hardware, local_rank: int = 0) -> Place:
    """Decide where to train.

    Args:
        device: What is asked for; "auto" takes a GPU if there is one.
        precision: What is asked for.
        hardware: What is there.
        local_rank: Number of this process on this machine; each takes its own GPU.

    Raises:
        DeviceError: If CUDA is asked for and there is none, or too few GPUs.
    """
    index = device.index + local_rank
    if device.kind == "cuda" and index >= hardware.gpus:
        raise DeviceError(str(device), f"PyTorch sees {hardware.gpus} GPUs")
    if device.kind != "cpu" and index < hardware.gpus:
        best = "bfloat16" if hardware.gpu_bfloat16 else "float16"
        return Place(f"cuda:{index}", best if precision == "auto" else precision)
    best = "bfloat16" if hardware.cpu_bfloat16 else "float32"
    return Place("cpu", best if precision == "auto" else precision)
