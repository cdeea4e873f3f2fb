"""What kind of computer this is: its processor, free memory and free disk."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_MEMINFO = Path("/proc/meminfo")
_KIB = 1024
_FAST_SETS = ("AVX2", "X86_V3", "NEON", "ASIMD", "VX")


def instruction_sets() -> tuple[str, ...]:
    """Vector instructions that this processor has, by NumPy's names, such as "AVX2"."""
    config: Mapping[str, Any] = np.show_config(mode="dicts") or {}
    found = config.get("SIMD Extensions", {})
    return (*found.get("baseline", ()), *found.get("found", ()))


def lacks_fast_instructions(sets: Collection[str]) -> bool:
    """Whether the network will be slow: no 256-bit vectors on x86, no vectors elsewhere."""
    return not any(name.startswith(_FAST_SETS) for name in sets)


def processors() -> int:
    """Processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def system() -> str:
    """The operating system and the architecture."""
    return f"{platform.system()} {platform.release()} ({platform.machine()})"


def free_memory() -> int | None:
    """Bytes that a program can still have; None where the system does not say."""
    if sys.platform == "win32":
        return _windows_free_memory()
    try:
        return parse_meminfo(_MEMINFO.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None


def parse_meminfo(text: str) -> int | None:
    """`MemAvailable` of Linux's /proc/meminfo in bytes; None if there is no such line."""
    line = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(line[1]) * _KIB if line else None


def free_disk(folder: Path) -> int:
    """Bytes that can still be written in a folder.

    Raises:
        OSError: If there is no such folder.
    """
    return shutil.disk_usage(folder).free


if sys.platform == "win32":

    class _MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    def _windows_free_memory() -> int | None:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return int(status.free)
