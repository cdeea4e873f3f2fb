"""A crop as if receiver coils had shaded it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.bias import BLACK, shaded

SHAPE = (24, 30, 36)
SEEDS = st.integers(0, 2**32 - 1)


def brain() -> torch.Tensor:
    """Four modalities of noise in a block of brain; 0 around it."""
    noise = torch.from_numpy(np.random.default_rng(3).normal(size=(4, *SHAPE)).astype(np.float32))
    noise[:, :4] = 0.0
    return noise


@given(SEEDS)
def test_shading_keeps_what_normalization_fixes(seed: int) -> None:
    """Mean and standard deviation over the brain stay, and background stays 0."""
    image = brain()
    seen = shaded(image, 0.5, np.random.default_rng(seed))
    assert not seen[:, :4].any()
    for before, after in zip(image[:, 4:], seen[:, 4:], strict=True):
        assert after.mean().item() == pytest.approx(before.mean().item(), abs=1e-4)
        assert after.std().item() == pytest.approx(before.std().item(), rel=1e-3)


@given(SEEDS)
def test_shading_is_smooth_positive_and_different_in_each_modality(seed: int) -> None:
    """Brightness is multiplied: neighbors by nearly the same, modalities by fields of their own."""
    image = brain()
    seen = shaded(image, 0.5, np.random.default_rng(seed))
    factors = ((seen - BLACK) / (image - BLACK))[:, 6:]
    bright = (image[:, 6:] > BLACK / 2) & (seen[:, 6:] > BLACK / 2)
    for axis in (1, 2, 3):
        steps = factors.diff(dim=axis).abs()
        both = bright.narrow(axis, 1, steps.shape[axis]) & bright.narrow(axis, 0, steps.shape[axis])
        assert steps[both].quantile(0.9) < 0.2
    assert not torch.allclose(factors[0], factors[1], atol=1e-3)


def test_no_strength_changes_nothing_and_the_seed_fixes_the_rest() -> None:
    """A strength of 0 is the image itself; equal seeds, equal fields."""
    image = brain()
    assert torch.allclose(shaded(image, 0.0, np.random.default_rng(1)), image, atol=1e-4)
    once, again = (shaded(image, 0.4, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(once, again)


def test_an_empty_crop_stays_empty() -> None:
    """Where there is no brain, there is nothing to shade."""
    assert not shaded(torch.zeros(4, 8, 8, 8), 0.3, np.random.default_rng(0)).any()
