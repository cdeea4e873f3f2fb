"""Ask NVIDIA's driver what there is; no memory of a GPU is touched."""

from __future__ import annotations

import ctypes
import sys
from typing import Protocol

from latup_cli.inference.choose import Driver

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_LONGEST_NAME = 128


class DriverLibrary(Protocol):
    """The functions of the CUDA driver API that are used; each returns 0 on success."""

    def cuInit(self, flags: int, /) -> int: ...  # noqa: N802, D102  (NVIDIA's names)
    def cuDriverGetVersion(self, version: object, /) -> int: ...  # noqa: N802, D102
    def cuDeviceGetCount(self, count: object, /) -> int: ...  # noqa: N802, D102
    def cuDeviceGetName(self, name: object, size: int, gpu: int, /) -> int: ...  # noqa: N802, D102


def find_driver() -> Driver | None:
    """What the driver offers; None if it is not installed."""
    try:
        return ask_driver(ctypes.CDLL(_LIBRARY))
    except OSError:
        return None


def ask_driver(library: DriverLibrary) -> Driver:
    """The driver's CUDA version and the names of its GPUs.

    A library that lacks a function, or that fails, is a driver without a GPU.
    """
    try:
        return Driver(_cuda_version(library), _gpus(library))
    except AttributeError:
        return Driver((0, 0), ())


def _cuda_version(library: DriverLibrary) -> tuple[int, int]:
    version = ctypes.c_int(0)
    if library.cuDriverGetVersion(ctypes.byref(version)):
        return 0, 0
    return version.value // 1000, version.value % 1000 // 10


def _gpus(library: DriverLibrary) -> tuple[str, ...]:
    count = ctypes.c_int(0)
    if library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    return tuple(_name(library, gpu) for gpu in range(count.value))


def _name(library: DriverLibrary, gpu: int) -> str:
    text = ctypes.create_string_buffer(_LONGEST_NAME)
    library.cuDeviceGetName(text, _LONGEST_NAME, gpu)
    return text.value.decode("utf-8", errors="replace") or "GPU"
