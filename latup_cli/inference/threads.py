"""How many threads compute, decided once from what this process may use; standard library only."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from latup_cli.inference import cgroups
from latup_cli.inference.processor import physical_cores

LIBRARIES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
"""What the linear algebra of NumPy and SciPy, and SimpleITK, read when they are loaded."""

_CPUINFO = Path("/proc/cpuinfo")


def decide_threads(
    asked: int, processors: int, *, quota: float | None = None, cores: int | None = None
) -> int:
    """Threads for one computation; never more than there is to run them on.

    Args:
        asked: What the user asked for; 0 for as many as are useful.
        processors: Logical processors that this process may be scheduled on.
        quota: Processors' worth of time that its control group gives it; None for no limit.
        cores: Physical cores of the computer; None if not known. A second thread on one core
            finds its arithmetic taken, so that it is used only if asked for.
    """
    allowed = max(1, processors if quota is None else min(processors, math.floor(quota)))
    if asked:
        return min(asked, allowed)
    return allowed if cores is None else max(1, min(allowed, cores))


def threads(asked: int = 0) -> int:
    """Threads for one computation in this process; see `decide_threads`."""
    quota = cgroups.cpu_quota(cgroups.find_groups())
    return decide_threads(asked, usable_processors(), quota=quota, cores=_cores())


def limit_libraries(asked: int = 0, environment: MutableMapping[str, str] | None = None) -> int:
    """Tell NumPy, SciPy and SimpleITK how many threads to use, before they are imported.

    What the user has set in the environment stays.

    Returns:
        The number of threads.
    """
    target = os.environ if environment is None else environment
    count = threads(asked)
    for name in LIBRARIES:
        target.setdefault(name, str(count))
    return count


def usable_processors() -> int:
    """Logical processors that this process may be scheduled on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cores() -> int | None:
    try:
        return physical_cores(_CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
