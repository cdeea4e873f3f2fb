"""What Linux's control groups allow this process: a container, a batch job or a login session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_UNIFIED = ("unified", "")


@dataclass(frozen=True, slots=True)
class Group:
    """A control group that this process is in, or one around it.

    Attributes:
        folder: Where its files lie.
        version: 1 or 2.
    """

    folder: Path
    version: int


def find_groups(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> tuple[Group, ...]:
    """Every group of this process and every one around it, for processors and memory."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return parse_membership(lines, root)


def parse_membership(lines: list[str], root: Path) -> tuple[Group, ...]:
    """Groups that the lines of /proc/self/cgroup name, such as "4:memory:/job" or "0::/job".

    Inside a container the named folder may not be there; the root of the tree is then its own.
    """
    found: list[Group] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            bases, version = [root / part for part in _UNIFIED], 2
        elif {"memory", "cpu"} & set(controllers.split(",")):
            names = (controllers, *controllers.split(","))
            bases, version = [root / name for name in names], 1
        else:
            continue
        for base in bases:
            found += [Group(folder, version) for folder in _upwards(base, path)]
    return tuple(dict.fromkeys(found))


def cpu_quota(groups: tuple[Group, ...]) -> float | None:
    """Processors' worth of time of the tightest group; None for no limit."""
    quotas = [quota for group in groups if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def memory_left(groups: tuple[Group, ...]) -> int | None:
    """Bytes that the tightest group can still give; None for no limit.

    Files that the system keeps in memory count as free, since it gives them up.
    """
    rooms = [room for group in groups if (room := _room(group)) is not None]
    return min(rooms, default=None)


def _upwards(base: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return [base.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _quota(group: Group) -> float | None:
    if group.version == 2:  # noqa: PLR2004
        words = _text(group.folder / "cpu.max").split()
    else:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [_text(group.folder / name).strip() for name in names]
    if len(words) != 2 or not all(word.isdigit() for word in words):  # noqa: PLR2004
        return None  # "max", -1, or no such file
    quota, period = map(int, words)
    return quota / period if quota and period else None


def _room(group: Group) -> int | None:
    if group.version == 2:  # noqa: PLR2004
        names = ("memory.max", "memory.current", "inactive_file")
    else:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit, used = (_text(group.folder / name).strip() for name in names[:2])
    if not limit.isdigit() or not used.isdigit():
        return None
    return max(0, int(limit) - int(used) + _kept_files(group.folder, names[2]))


def _kept_files(folder: Path, name: str) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
