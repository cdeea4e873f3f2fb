"""What a computer is like is read from what it says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from latup_cli.workflows import machine

MEMINFO = "MemTotal:       16314532 kB\nMemFree:          507620 kB\nMemAvailable:    9437184 kB\n"


def test_memory_that_can_be_had_is_more_than_what_is_unused() -> None:
    """Caches that Linux would give up count as free, in bytes."""
    assert machine.parse_meminfo(MEMINFO) == 9437184 * 1024


@pytest.mark.parametrize("text", ["", "MemTotal: 1 kB\n", "MemAvailable: much\n"])
def test_memory_that_is_not_told_is_unknown(text: str) -> None:
    """A system that does not say how much is free is no error."""
    assert machine.parse_meminfo(text) is None


@pytest.mark.parametrize(
    ("sets", "slow"),
    [
        (("SSE42", "AVX", "AVX2"), False),
        (("X86_V2", "X86_V3"), False),
        (("NEON", "NEON_FP16"), False),
        (("ASIMD",), False),
        (("SSE", "SSE2", "SSE42", "AVX"), True),
        (("X86_V2",), True),
        ((), True),
    ],
)
def test_a_slow_processor_is_known_by_its_instructions(sets: tuple[str, ...], slow: bool) -> None:
    """On x86 AVX2 makes the difference, on Arm NEON does."""
    assert machine.lacks_fast_instructions(sets) == slow


def test_this_computer_is_described(tmp_path: Path) -> None:
    """Processors, instruction sets, memory and disk are those of the computer that runs this."""
    free = machine.free_memory()
    assert free is None or free > 0
    assert machine.free_disk(tmp_path) > 0
    assert machine.processors() >= 1
    assert all(isinstance(name, str) for name in machine.instruction_sets())
    assert "(" in machine.system()
