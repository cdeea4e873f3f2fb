"""A crop as if scanned in thick slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.slices import in_thick_slices

SHAPE = (24, 30, 36)


def brain(fill: float | None = None) -> torch.Tensor:
    """Four modalities of noise, or of one value, in an ellipsoid; 0 around it."""
    middle = [(n - 1) / 2 for n in SHAPE]
    axes = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    inside = sum(((a - m) / m) ** 2 for a, m in zip(axes, middle, strict=True)) < 0.8
    noise = np.random.default_rng(3).normal(size=(4, *SHAPE))
    values = noise if fill is None else np.full_like(noise, fill)
    return torch.from_numpy((inside * values).astype(np.float32))


@given(st.integers(0, 2**32 - 1))
def test_each_modality_is_blurred_along_one_axis_at_most(seed: int) -> None:
    """Across the slices, noise becomes smoother; within them it stays; background stays 0."""
    image = brain()
    seen = in_thick_slices(image, (3.0, 6.0), np.random.default_rng(seed))
    assert seen.dtype == torch.float32
    assert not seen[:, ~(image != 0).any(dim=0)].any()
    core = (slice(None), slice(8, 16), slice(10, 20), slice(12, 24))
    for before, after in zip(image[core], seen[core], strict=True):
        rougher = [after.diff(dim=a).abs().mean() / after.std() for a in range(3)]
        smooth = [r < 0.8 for r in rougher]  # white noise has 1.13
        assert sum(smooth) == (0 if torch.equal(before, after) else 1)


def test_some_modality_stays_as_it_is_and_some_does_not() -> None:
    """Over many patients, about three quarters of the modalities are in thick slices."""
    image = brain()
    draws = [in_thick_slices(image, (4.0, 6.0), np.random.default_rng(s)) for s in range(40)]
    same = [torch.equal(a, b) for seen in draws for a, b in zip(image, seen, strict=True)]
    assert 0.1 < np.mean(same) < 0.4


def test_the_edge_is_as_bright_as_the_brain_or_darker() -> None:
    """A brain of one value stays so where its head was around it, else it dims at the edge."""
    image = brain(1.0)
    inside = (image != 0).any(dim=0)
    ends = []
    for seed in range(20):
        seen = in_thick_slices(image, (4.0, 6.0), np.random.default_rng(seed))
        ends.append(seen[:, inside].min().item())
        assert seen[:, inside].max().item() == pytest.approx(1.0, abs=1e-4)
    assert any(end == pytest.approx(1.0, abs=1e-4) for end in ends)
    assert any(end < 0.0 for end in ends)
