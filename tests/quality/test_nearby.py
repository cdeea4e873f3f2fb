"""Means over neighborhoods and distances agree with their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from latup_cli.quality.nearby import away_mm, gaussian, inner, opened, smooth

SPACINGS = st.tuples(*[st.sampled_from([0.8, 1.0, 2.0, 5.5])] * 3)


def some_region(seed: int) -> np.ndarray:
    """Lumps and specks, at the border too."""
    noise = np.random.default_rng(seed).normal(size=(14, 11, 9))
    return np.asarray(ndimage.gaussian_filter(noise, 1.0) > 0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), SPACINGS, st.floats(1.0, 9.0))
def test_distances_are_exact_as_far_as_they_go(
    seed: int, spacing_mm: tuple[float, float, float], most_mm: float
) -> None:
    """Up to the most, it is the Euclidean distance; beyond, it is more than the most."""
    region = some_region(seed)
    true = ndimage.distance_transform_edt(~region, sampling=spacing_mm)
    found = away_mm(region, spacing_mm, most_mm)
    near = true <= most_mm
    assert found[near] == pytest.approx(true[near], rel=1e-5)
    assert (found[~near] > most_mm * (1 - 1e-6)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), SPACINGS)
def test_the_array_ends_outside(seed: int, spacing_mm: tuple[float, float, float]) -> None:
    """What lies at the border of the array is no deeper than its distance from it."""
    region = some_region(seed)
    padded = np.pad(region, 3)
    assert np.array_equal(
        inner(region, spacing_mm, 2.1), inner(padded, spacing_mm, 2.1)[3:-3, 3:-3, 3:-3]
    )
    assert not inner(np.ones((5, 5, 5), dtype=np.bool_), (1.0, 1.0, 1.0), 3.5).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99), st.floats(2.0, 24.0))
def test_a_mean_of_equals_is_the_same(seed: int, sigma_mm: float) -> None:
    """Where all of the region has one value, its means have it, whatever lies outside."""
    region = some_region(seed)
    image = np.where(region, np.float32(7), np.float32(1e6))
    means = smooth(image, region, (2.0, 2.0, 2.0), sigma_mm)
    assert means[region] == pytest.approx(7.0, rel=1e-4)


def test_a_wide_mean_is_gaussian() -> None:
    """Means over blocks, narrowed and interpolated, look like the Gaussian mean of all voxels."""
    image = np.random.default_rng(3).normal(10.0, 3.0, (48, 50, 46)).astype(np.float32)
    image[:20] += 10.0
    everywhere = np.ones(image.shape, dtype=np.bool_)
    found = smooth(image, everywhere, (2.0, 2.0, 2.0), 24.0)
    exact = ndimage.gaussian_filter(image, 12.0, truncate=2.5)
    assert np.abs(found / exact - 1.0).max() < 0.005


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 3.0))
def test_a_gaussian_is_that_of_scipy(seed: int, sigma: float) -> None:
    """Our short Gaussian, which spares the import of SciPy, gives SciPy's values."""
    image = np.random.default_rng(seed).normal(size=(9, 14, 7)).astype(np.float32)
    sigmas = (sigma, 2.0 * sigma, 0.5 * sigma)
    ours = gaussian(image, sigmas, ends=2.5)
    theirs = ndimage.gaussian_filter(image, sigmas, truncate=2.5)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_an_opening_is_that_of_scipy(seed: int) -> None:
    """What is smaller than a cross goes, as in SciPy, also at the array's faces."""
    region = np.random.default_rng(seed).random((9, 14, 7)) < 0.8
    np.testing.assert_array_equal(opened(region), ndimage.binary_opening(region))
