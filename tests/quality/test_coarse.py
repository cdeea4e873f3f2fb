"""Coarse images are means of blocks, on a grid that lies where the fine one lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality.coarse import block_means, coarsen, ranks

SHAPES = st.tuples(*[st.integers(1, 9)] * 3)
STEPS = st.tuples(*[st.integers(1, 4)] * 3)


@settings(max_examples=30, deadline=None)
@given(SHAPES, STEPS, st.permutations([0, 1, 2]), st.integers(0, 99))
def test_every_block_is_its_mean(
    shape: tuple[int, int, int], steps: tuple[int, int, int], memory: list[int], seed: int
) -> None:
    """Each value is the mean of its block, whole or not, however the array lies in memory."""
    data = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    stored = data.transpose(memory).copy().transpose(np.argsort(memory))
    means = block_means(stored, steps)
    for index in np.ndindex(means.shape):
        block = data[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, steps, strict=True))]
        assert means[index] == pytest.approx(block.mean(), abs=1e-5)
    assert means.flags.c_contiguous


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 30.0), st.integers(0, 12))
def test_a_margin_moves_no_block(margin_mm: float, start: int) -> None:
    """With any margin, and near any border, the region's blocks are the same."""
    grid = Grid((24, 20, 18), np.diag([-1.0, 1.0, 1.5, 1.0]))
    data = np.random.default_rng(start).normal(size=grid.shape).astype(np.float32)
    inside = np.zeros(grid.shape, dtype=np.bool_)
    inside[start : start + 8, 3:15, 4:16] = True
    study, mask = {"t1": Volume(data, grid)}, Mask(inside, grid)
    tight = coarsen(study, mask, margin_mm=0.0)
    cropped = coarsen(study, mask, margin_mm=margin_mm).cropped()
    assert np.array_equal(cropped.region, tight.region)
    assert np.array_equal(cropped.images["t1"], tight.images["t1"])
    assert cropped.grid.matches(tight.grid, tolerance_mm=1e-9)


def test_a_coarse_voxel_lies_amid_its_block() -> None:
    """The mean of the places of a block is the place of the coarse voxel."""
    grid = Grid((12, 12, 12), np.diag([-1.0, 1.0, 1.0, 1.0]))
    inside = np.zeros(grid.shape, dtype=np.bool_)
    inside[2:8, 4:10, 6:12] = True
    places = grid.ras_from_voxel[:3, :3] @ np.indices(grid.shape).reshape(3, -1)
    study = {
        str(axis): Volume(place.reshape(grid.shape).astype(np.float32), grid)
        for axis, place in enumerate(places)
    }
    coarse = coarsen(study, Mask(inside, grid), margin_mm=0.0)
    found = coarse.grid.ras_from_voxel @ np.array([1, 2, 0, 1])
    assert [image[1, 2, 0] for image in coarse.images.values()] == pytest.approx(found[:3])
    assert coarse.voxel_ml == pytest.approx(0.008)


@given(st.lists(st.integers(-5, 5), max_size=40))
def test_ranks_count_what_is_lower(values: list[int]) -> None:
    """A rank is the share of lower values, and half of the share of equal ones."""
    array = np.array(values, dtype=np.float32)
    lower = (array[None] < array[:, None]).sum(axis=1)
    equal = (array[None] == array[:, None]).sum(axis=1)
    assert ranks(array) == pytest.approx((lower + equal / 2) / max(1, array.size))


def test_a_region_thinner_than_a_coarse_voxel_is_not_lost() -> None:
    """Of a region that fills half of no coarse voxel, those that it covers most are left."""
    grid = Grid((12, 12, 12), np.eye(4))
    inside = np.zeros(grid.shape, dtype=np.bool_)
    inside[6, 6, 6] = True
    study = {"t1": Volume(np.ones(grid.shape, dtype=np.float32), grid)}
    assert coarsen(study, Mask(inside, grid)).region.sum() == 1
