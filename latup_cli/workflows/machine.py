"""What kind of computer this is: its processor, free memory and free disk."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latup_cli.inference.memory import free_bytes
from latup_cli.inference.threads import usable_processors

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
    return usable_processors()


def system() -> str:
    """The operating system and the architecture."""
    return f"{platform.system()} {platform.release()} ({platform.machine()})"


def free_memory() -> int | None:
    """Bytes that a program can still have; None where the system does not say."""
    return free_bytes()


def free_disk(folder: Path) -> int:
    """Bytes that can still be written in a folder.

    Raises:
        OSError: If there is no such folder.
    """
    return shutil.disk_usage(folder).free
