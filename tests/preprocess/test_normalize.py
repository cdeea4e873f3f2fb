"""Normalization takes away what a scanner adds, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.preprocess.normalize import zscore
from tests.properties.strategies import LAW, SEEDS

SHAPE = (5, 6, 4)


def image(seed: int) -> npt.NDArray[np.float64]:
    """Random intensities, skewed as those of a brain are."""
    return np.random.default_rng(seed).gamma(2.0, size=SHAPE)


def inside(seed: int) -> npt.NDArray[np.bool_]:
    """A random set of voxels, large enough to have a deviation."""
    mask = np.random.default_rng(seed + 1).random(SHAPE) < 0.6
    mask[:2] = True
    return mask


@given(SEEDS, st.floats(-12, 12), st.floats(-1000, 1000))
@LAW
def test_scale_and_shift_do_not_matter(seed: int, exponent: float, shift: float) -> None:
    """a*x + b gives what x gives, for a from 1e-12 to 1e12 and b of a thousand deviations."""
    factor = 10.0**exponent
    scaled = factor * image(seed) + shift * factor
    np.testing.assert_allclose(
        zscore(scaled, inside(seed)), zscore(image(seed), inside(seed)), atol=1e-4
    )


@given(SEEDS)
@LAW
def test_mean_0_and_deviation_1_inside_and_0_outside(seed: int) -> None:
    """The values inside are standardized, and every voxel outside is exactly 0."""
    result = zscore(image(seed), inside(seed))
    values = result[inside(seed)].astype(np.float64)
    assert result.dtype == np.float32
    assert values.mean() == pytest.approx(0.0, abs=1e-6)
    assert values.std() == pytest.approx(1.0, abs=1e-6)
    assert not result[~inside(seed)].any()


@given(SEEDS)
@LAW
def test_what_lies_outside_does_not_matter(seed: int) -> None:
    """Intensities outside the mask change no value inside."""
    mask = inside(seed)
    loud = np.where(mask, image(seed), 1e6)
    np.testing.assert_array_equal(zscore(loud, mask), zscore(image(seed), mask))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 32767.0])
def test_a_constant_image_becomes_0(value: float) -> None:
    """Without contrast there is nothing to scale, and rounding is not blown up to contrast."""
    constant = np.full(SHAPE, value, dtype=np.float32)
    np.testing.assert_allclose(zscore(constant, np.ones(SHAPE, dtype=np.bool_)), 0.0, atol=1e-6)


def test_whole_numbers_do_not_overflow() -> None:
    """Signed 16-bit intensities, as scanners store them, are summed in double precision."""
    stored = np.array([32767, 32766, 32767, -32768] * 30, dtype=np.int16).reshape(SHAPE)
    everywhere = np.ones(SHAPE, dtype=np.bool_)
    np.testing.assert_allclose(
        zscore(stored, everywhere), zscore(stored.astype(np.float64), everywhere), atol=1e-6
    )
