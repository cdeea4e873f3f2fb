"""A window, turned in a block: what lands where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.settings import TrainSettings
from latup_cli.training.turn import Turn, draw_turn, reach, turned

SIZE = (20, 24, 22)
WINDOW = (8, 16, 8)
MIDDLE = np.array([9.5, 11.5, 10.5])


def ramp() -> torch.Tensor:
    """Three channels: the voxel's own i, j and k, plus 1 to tell it from the outside."""
    places = torch.meshgrid(*(torch.arange(n) for n in SIZE), indexing="ij")
    return torch.stack(places).float() + 1.0


def places(turn: Turn) -> np.ndarray:
    """Where in the block each voxel of the window lies, by the definition of a turn."""
    offsets = np.moveaxis(np.indices(WINDOW), 0, -1) - (np.array(WINDOW) - 1) / 2
    found: np.ndarray = offsets @ turn.block_from_window.T + MIDDLE + turn.shift
    return found


@given(st.integers(0, 2**32 - 1))
def test_every_voxel_comes_from_where_the_turn_says(seed: int) -> None:
    """On a ramp, linear interpolation is exact: what is read is the place itself."""
    settings = TrainSettings(window=WINDOW, rotation_rad=0.2, shift_share=0.05)
    turn = draw_turn(settings, np.random.default_rng(seed))
    expected = places(turn)
    read = turned(ramp(), MIDDLE, turn, WINDOW).movedim(0, -1).numpy() - 1.0
    inside = ((expected >= 0) & (expected <= np.array(SIZE) - 1)).all(axis=-1)
    assert inside.mean() > 0.9
    np.testing.assert_allclose(read[inside], expected[inside], atol=1e-3)


def test_without_a_turn_the_window_is_cut_exactly() -> None:
    """The identity interpolates nothing: voxels are those of the block."""
    block = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *SIZE)).astype(np.float32))
    same = turned(block, MIDDLE, Turn(np.eye(3), np.zeros(3)), WINDOW)
    torch.testing.assert_close(same, block[:, 6:14, 4:20, 7:15], atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("axis", range(3))
def test_a_mirroring_is_a_flip(axis: int) -> None:
    """Flips alone turn the window around and nothing else."""
    flips = [1.0 if a == axis else 0.0 for a in range(3)]
    settings = TrainSettings(window=WINDOW, flips=(flips[0], flips[1], flips[2]))
    still = replace(settings, spatial_probability=0.0)
    turn = draw_turn(still, np.random.default_rng(0))
    plain = turned(ramp(), MIDDLE, Turn(np.eye(3), np.zeros(3)), WINDOW)
    mirrored = turned(ramp(), MIDDLE, turn, WINDOW)
    torch.testing.assert_close(mirrored, plain.flip(axis + 1), atol=1e-4, rtol=0.0)


@given(st.integers(0, 2**32 - 1))
def test_the_reach_is_all_that_is_seen(seed: int) -> None:
    """Cutting the block to the window's reach changes nothing in the window."""
    settings = TrainSettings(window=WINDOW, rotation_rad=0.6, shift_share=0.3)
    turn = draw_turn(settings, np.random.default_rng(seed))
    box = reach(turn, MIDDLE, WINDOW, SIZE)
    part = ramp()[(slice(None), *box.slices)]
    whole = turned(ramp(), MIDDLE, turn, WINDOW)
    torch.testing.assert_close(
        turned(part, MIDDLE - box.start, turn, WINDOW), whole, atol=1e-3, rtol=0
    )


def test_what_lies_outside_is_zero() -> None:
    """A window far from the block sees nothing."""
    far = Turn(np.eye(3), np.array([100.0, 0.0, 0.0]))
    assert not turned(ramp(), MIDDLE, far, WINDOW).any()
