"""What a computer is like is read from what it says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from latup_cli.workflows import machine


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
