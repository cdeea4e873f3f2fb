"""Keep large tensors' memory between steps instead of asking the system for it anew."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h of the GNU C library


def keep_freed_memory() -> bool:
    """Tell the GNU allocator never to give memory back; elsewhere do nothing.

    By default every tensor of more than 32 MiB is mapped and unmapped again, and the system
    clears its pages each time. `benchmarks/train_step.py` prints what that costs.

    Returns:
        Whether the allocator took the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_ARENA_MAX, 1))
    return all(libc.mallopt(option, value) == 1 for option, value in settings)
