"""Parts cover a study without overlap."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.cohort.plan import part_of
from latup_cli.domain.cohort import Patient


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 12))
def test_parts_are_disjoint_and_cover_all(count: int, num_parts: int) -> None:
    """Everybody is in exactly one part, and no part is more than one larger than another."""
    everybody = [Patient(str(n), str(n), str(n), None) for n in range(count)]
    parts = [part_of(everybody, num_parts, part_id) for part_id in range(num_parts)]
    assert sorted(p.name for part in parts for p in part) == sorted(p.name for p in everybody)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
