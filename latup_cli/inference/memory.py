"""Foresee the memory of a run, and compare it with what this process can have."""

from __future__ import annotations

import ctypes
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from latup_cli.domain.grid import Shape
from latup_cli.errors import NotEnoughMemoryError
from latup_cli.inference import cgroups

STUDY_BYTES = 420_000_000
"""What a study of 240 x 240 x 155 voxels takes while it is read, checked and prepared."""

AROUND_BYTES = 90.0
"""What each voxel of a window takes outside the network: the image, its answer, and regions. Both
are the peak of a control group less what the network takes, for windows of 0.6 and 3.6 million
voxels; `benchmarks/little_memory.py` tries them."""

_PROC = Path("/proc")
_KIB = 1024


def foreseen_bytes(window: Shape, bytes_per_voxel: float) -> int:
    """Memory that a run will take from where the network is opened, however many windows.

    Args:
        window: Voxels along i, j, k.
        bytes_per_voxel: What the network takes, by engine and precision, measured; see
            `model.json`.
    """
    return STUDY_BYTES + math.ceil(math.prod(window) * (bytes_per_voxel + AROUND_BYTES))


def bytes_per_voxel(measured: Mapping[str, float], engine: str, precision: str) -> float | None:
    """The constant of an engine and precision, or the largest that was measured; None for none."""
    if not measured:
        return None
    return measured.get(f"{engine} {precision}", max(measured.values()))


def check_memory(
    needed: int, free: int | None, window: Shape, *, smaller: Shape | None = None
) -> None:
    """Refuse what would run out of memory, before it starts.

    The window is never changed here: another window is another result.

    Args:
        needed: As foreseen.
        free: What there is; None if the system does not say, which refuses nothing.
        window: The window that it was foreseen for.
        smaller: A smaller window that the model was measured with, to be named.

    Raises:
        NotEnoughMemoryError: If more is needed than there is.
    """
    if free is not None and needed > free:
        raise NotEnoughMemoryError(needed, free, window, smaller)


def free_bytes() -> int | None:
    """Bytes that this process can still have; None where the system does not say.

    The least of what the computer has free, what its control groups leave, and what a limit
    on its address space leaves.
    """
    if sys.platform == "win32":
        return _windows_free()
    rooms = (
        parse_meminfo(_text(_PROC / "meminfo")),
        cgroups.memory_left(cgroups.find_groups()),
        parse_limit(_text(_PROC / "self/limits"), _text(_PROC / "self/status")),
    )
    return min((room for room in rooms if room is not None), default=None)


def parse_meminfo(text: str) -> int | None:
    """`MemAvailable` of Linux's /proc/meminfo in bytes; None if there is no such line."""
    line = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(line[1]) * _KIB if line else None


def parse_limit(limits: str, status: str) -> int | None:
    """Address space that a limit (`ulimit -v`) leaves, in bytes; None for no limit.

    Args:
        limits: The text of Linux's /proc/self/limits.
        status: The text of /proc/self/status, which tells how much is in use.
    """
    limit = re.search(r"^Max address space\s+(\d+)\s", limits, re.MULTILINE)
    used = re.search(r"^VmSize:\s+(\d+) kB", status, re.MULTILINE)
    if not limit or not used:
        return None
    return max(0, int(limit[1]) - int(used[1]) * _KIB)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


if sys.platform == "win32":

    class _MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    def _windows_free() -> int | None:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return int(status.free)
