"""Scans that are too coarse are named."""

from __future__ import annotations

import numpy as np
import pytest

from latup_cli.domain.finding import Verdict
from latup_cli.domain.grid import Grid
from latup_cli.quality.acquisition import check_acquisition


def scan(i_mm: float, j_mm: float, k_mm: float) -> Grid:
    """A grid with these spacings."""
    return Grid((10, 10, 10), np.diag([-i_mm, j_mm, k_mm, 1.0]))


@pytest.mark.parametrize(
    ("spacing_mm", "verdict"),
    [
        ((1.0, 1.0, 1.0), Verdict.OK),
        ((0.9, 0.9, 5.5), Verdict.OK),
        ((5.5, 0.9, 0.9), Verdict.OK),
        ((0.9, 0.9, 7.5), Verdict.WARNING),
        ((0.9, 0.9, 15.0), Verdict.REFUSED),
    ],
)
def test_thick_slices(spacing_mm: tuple[float, float, float], verdict: Verdict) -> None:
    """Slices over 7 mm are a warning, on any axis; a stack of single pictures is refused."""
    found = check_acquisition({"flair": scan(*spacing_mm)})
    thickness = next(f for f in found if f.check == "slice thickness")
    assert thickness.subject == "flair"
    assert thickness.value == pytest.approx(max(spacing_mm))
    assert thickness.verdict is verdict


def test_each_modality_is_judged() -> None:
    """One coarse modality among fine ones is the one that is named."""
    found = check_acquisition({"t1": scan(1, 1, 1), "t2": scan(1, 1, 9), "flair": scan(1, 1, 5)})
    assert {f.subject for f in found} == {"t1", "t2", "flair"}
    assert [f.subject for f in found if f.verdict is not Verdict.OK] == ["t2"]
