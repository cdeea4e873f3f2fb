"""Which arithmetic a processor is fast at, read from what the system says about it."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

AMD = "AMD"
AMX = "AMX"
AVX512_BF16 = "AVX512_BF16"
AVX512_VNNI = "AVX512_VNNI"
AVX_VNNI = "AVX_VNNI"
AVX2 = "AVX2"
ARM = "ARM"

_CPUINFO = Path("/proc/cpuinfo")
_AMD_CALLS_ITSELF = "AuthenticAMD"
_FLAGS = {
    AMD: {_AMD_CALLS_ITSELF},
    AMX: {"amx_tile", "amx_int8", "amx_bf16"},
    AVX512_BF16: {"avx512_bf16"},
    AVX512_VNNI: {"avx512_vnni"},
    AVX_VNNI: {"avx_vnni"},
    AVX2: {"avx2"},
}
"""Our name of a feature to the words, of vendor and flags, that Linux must all say."""

_ARM = ("arm", "aarch")


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor.

    Attributes:
        name: As it calls itself, such as "Intel(R) Xeon(R) Processor".
        features: What it has of the features above.
    """

    name: str
    features: frozenset[str]


def read_processor(abilities: Collection[str] = ()) -> Processor:
    """The processor of this computer.

    Args:
        abilities: What OpenVINO says that it can compute with, such as "BF16"; the only source
            where the system tells no flags.
    """
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return describe(text, platform.machine(), platform.processor(), abilities)


def describe(
    cpuinfo: str, architecture: str, name: str = "", abilities: Collection[str] = ()
) -> Processor:
    """Put together what is known.

    Args:
        cpuinfo: The text of Linux's /proc/cpuinfo; empty elsewhere.
        architecture: As Python calls it, such as "x86_64" or "arm64".
        name: What the system calls the processor, where `cpuinfo` does not tell it.
        abilities: What OpenVINO says that it can compute with.
    """
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    found = features_of(cpuinfo, architecture, abilities)
    if _AMD_CALLS_ITSELF in name:
        found |= {AMD}
    return Processor((named[1] if named else name).strip() or architecture, found)


def features_of(cpuinfo: str, architecture: str, abilities: Collection[str] = ()) -> frozenset[str]:
    """Features by name; bfloat16 on x86 implies the others of its generation (Cooper Lake)."""
    if architecture.lower().startswith(_ARM):
        return frozenset({ARM})
    lines = re.findall(r"^(?:vendor_id|flags)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if lines:
        words = set(" ".join(lines).split())
        return frozenset(name for name, needed in _FLAGS.items() if needed <= words)
    if "BF16" in abilities:
        return frozenset({AVX512_BF16, AVX512_VNNI, AVX2})
    return frozenset({AVX2}) if "INT8" in abilities else frozenset()


def physical_cores(cpuinfo: str) -> int | None:
    """Cores that do not share their arithmetic with another; None if the text does not tell."""
    blocks = re.split(r"\n\s*\n", cpuinfo.strip())
    cores = [
        (_number("physical id", block), _number("core id", block))
        for block in blocks
        if block.startswith("processor")
    ]
    if not cores or any(None in core for core in cores):
        return None
    return len(set(cores))


def _number(field: str, block: str) -> int | None:
    found = re.search(rf"^{field}\s*:\s*(\d+)$", block, re.MULTILINE)
    return int(found[1]) if found else None
