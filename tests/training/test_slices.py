"""A crop as if scanned in thick slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.settings import TrainSettings
from latup_cli.training.slices import THIN, Scan, draw_scan, in_slices

SHAPE = (24, 30, 36)
SPACING_MM = (1.0, 1.0, 1.0)


def thick(least_mm: float, most_mm: float) -> TrainSettings:
    """Every patient in slices of such distances."""
    return TrainSettings(slice_probability=1.0, slice_mm=(least_mm, most_mm))


def brain(fill: float | None = None) -> torch.Tensor:
    """Four modalities of noise, or of one value, in an ellipsoid; 0 around it."""
    middle = [(n - 1) / 2 for n in SHAPE]
    axes = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    inside = sum(((a - m) / m) ** 2 for a, m in zip(axes, middle, strict=True)) < 0.8
    noise = np.random.default_rng(3).normal(size=(4, *SHAPE))
    values = noise if fill is None else np.full_like(noise, fill)
    return torch.from_numpy((inside * values).astype(np.float32))


@given(st.integers(0, 2**32 - 1))
def test_each_modality_is_blurred_along_its_own_axis_only(seed: int) -> None:
    """Across the slices, noise becomes smoother; within them it stays; background stays 0."""
    scan = draw_scan(thick(3.0, 6.0), np.random.default_rng(seed))
    image = brain()
    seen = in_slices(image, scan, SPACING_MM)
    assert seen.dtype == torch.float32
    assert not seen[:, ~(image != 0).any(dim=0)].any()
    core = (slice(None), slice(8, 16), slice(10, 20), slice(12, 24))
    for before, after, slices in zip(image[core], seen[core], scan.slices, strict=True):
        rougher = [after.diff(dim=a).abs().mean() / after.std() for a in range(3)]
        smooth = [r < 0.8 for r in rougher]  # white noise has 1.13
        assert smooth == [slices is not None and axis == slices[0] for axis in range(3)]
        assert torch.equal(before, after) == (slices is None)


def test_some_modality_stays_as_it_is_and_some_does_not() -> None:
    """Over many patients, about three quarters of the modalities are in thick slices."""
    scans = [draw_scan(thick(4.0, 6.0), np.random.default_rng(s)) for s in range(40)]
    thin = [slices is None for scan in scans for slices in scan.slices]
    assert 0.1 < np.mean(thin) < 0.4
    assert all(4.0 <= slices[1] <= 6.0 for scan in scans for slices in scan.slices if slices)


def test_as_many_patients_are_in_thick_slices_as_asked() -> None:
    """None without, all with certainty; a thin patient keeps every voxel."""
    some = replace(thick(2.0, 6.0), slice_probability=0.3)
    scans = [draw_scan(some, np.random.default_rng(s)) for s in range(200)]
    assert 0.2 < np.mean([scan != THIN for scan in scans]) < 0.4
    none = replace(some, slice_probability=0.0)
    assert draw_scan(none, np.random.default_rng(0)) == THIN
    assert torch.equal(in_slices(brain(), THIN, SPACING_MM), brain())


@pytest.mark.parametrize("axis", range(3))
def test_a_distance_is_in_millimeters(axis: int) -> None:
    """Twice the voxel's size gives twice as many slices for the same distance."""
    line = torch.zeros(4, 12, 12, 12) + 1.0
    line.movedim(axis + 1, 0)[6] = 13.0
    fine, coarse = [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]
    fine[axis], coarse[axis] = 2.0, 4.0
    scan = Scan(((axis, 8.0),) * 4)
    wide = in_slices(line, scan, fine).amax()
    narrow = in_slices(line, scan, coarse).amax()
    assert wide.item() < narrow.item() < 13.0
    finer_than_a_voxel = in_slices(line, Scan(((axis, 0.5),) * 4), fine)
    torch.testing.assert_close(finer_than_a_voxel, line)


@pytest.mark.parametrize("stripped", [False, True])
def test_the_edge_is_as_bright_as_the_brain_or_darker(stripped: bool) -> None:
    """A brain of one value stays so where its head was around it, else it dims at the edge."""
    image = brain(1.0)
    inside = (image != 0).any(dim=0)
    seen = in_slices(image, Scan(((2, 5.0),) * 4, stripped=stripped), SPACING_MM)
    assert seen[:, inside].max().item() == pytest.approx(1.0, abs=1e-4)
    dimmest = seen[:, inside].min().item()
    assert dimmest < 0.0 if stripped else dimmest == pytest.approx(1.0, abs=1e-4)
