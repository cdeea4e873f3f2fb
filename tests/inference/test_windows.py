"""Windows see every voxel, and blending adds nothing of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Shape
from latup_cli.inference.windows import (
    Array,
    bell,
    blend,
    pad_to,
    plan_windows,
    predict_image,
    window_starts,
)
from tests.properties.strategies import LAW, SEEDS, shapes

OVERLAPS = st.floats(0.0, 0.9)


def image(size: Shape, seed: int = 0, channels: int = 2) -> Array:
    """Random intensities."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(channels, *size)).astype(np.float32)


@given(st.integers(1, 60), st.data(), OVERLAPS)
@LAW
def test_windows_cover_an_axis_to_its_edges(size: int, data: st.DataObject, overlap: float) -> None:
    """The first window starts at the first voxel, the last ends at the last, none is skipped."""
    window = data.draw(st.integers(1, size))
    starts = window_starts(size, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == size - window
    assert {v for start in starts for v in range(start, start + window)} == set(range(size))


@given(st.integers(8, 200), st.integers(8, 64), OVERLAPS)
@LAW
def test_neighbors_share_at_least_the_overlap(size: int, window: int, overlap: float) -> None:
    """Two neighboring windows never share less than was asked for."""
    starts = window_starts(max(size, window), window, overlap)
    shared = window - np.diff(starts)
    assert (shared >= min(overlap * window, window - 1) - 1e-9).all()


def test_a_window_that_fits_is_used_once() -> None:
    """An image of the window's size takes one window, whatever the overlap."""
    assert window_starts(64, 64, 0.9) == [0]


def test_an_odd_remainder_is_spread_evenly() -> None:
    """Windows shift by about the same amount instead of crowding at the end."""
    assert window_starts(100, 64, 0.5) == [0, 18, 36]


@given(shapes(3, 9), st.data(), OVERLAPS)
@LAW
def test_windows_cover_every_voxel(size: Shape, data: st.DataObject, overlap: float) -> None:
    """Every voxel of a non-cubic image lies in some window, and no window leaves the image."""
    window = data.draw(st.tuples(*(st.integers(1, n) for n in size)))
    seen = np.zeros(size, dtype=int)
    for box in plan_windows(size, window, overlap):
        assert box.shape == window
        assert seen[box.slices].shape == window
        seen[box.slices] += 1
    assert seen.min() >= 1


@given(shapes(3, 9), st.data(), OVERLAPS, SEEDS)
@LAW
def test_blending_an_identity_changes_nothing(
    size: Shape, data: st.DataObject, overlap: float, seed: int
) -> None:
    """A model that repeats its input gives the input back, however its windows overlap."""
    window = data.draw(st.tuples(*(st.integers(1, n) for n in size)))
    original = image(size, seed)
    windows = plan_windows(size, window, overlap)
    blended = blend(original, lambda crop: crop, windows, classes=2)
    np.testing.assert_allclose(blended, original, rtol=1e-4, atol=1e-5)


@given(shapes(3, 12), shapes(3, 12), OVERLAPS, SEEDS)
@LAW
def test_an_identity_sees_images_of_any_size(
    size: Shape, window: Shape, overlap: float, seed: int
) -> None:
    """Smaller or larger than the window, the scores lie on the image's own voxels."""
    original = image(size, seed)
    scores, count = predict_image(original, lambda crop: crop, window, overlap=overlap, classes=2)
    assert count >= 1
    np.testing.assert_allclose(scores, original, rtol=1e-4, atol=1e-5)


def test_the_model_sees_one_window_at_a_time() -> None:
    """Every call gets a batch of one, of the window's size, and as often as is reported."""
    calls: list[tuple[int, ...]] = []

    def predict(crop: Array) -> Array:
        calls.append(crop.shape)
        return crop[:, :1]

    _, count = predict_image(image((9, 11, 8)), predict, (8, 8, 8), overlap=0.5, classes=1)
    assert calls == [(1, 2, 8, 8, 8)] * count
    assert count == 4


@pytest.mark.parametrize(("size", "expected"), [((8, 8, 8), [1.0]), ((12, 8, 8), [0.5, 1.0])])
def test_progress_ends_at_the_whole(size: Shape, expected: list[float]) -> None:
    """After each window the share that is done is told, also where there is only one."""
    told: list[float] = []
    predict_image(
        image(size), lambda crop: crop, (8, 8, 8), overlap=0.5, classes=2, on_share=told.append
    )
    assert told == expected


def test_the_middle_of_a_window_counts_most() -> None:
    """Where two windows disagree, the one in whose middle a voxel lies wins."""
    answers = iter((0.0, 1.0))

    def predict(crop: Array) -> Array:
        return np.full((1, 1, *crop.shape[2:]), next(answers), dtype=np.float32)

    scores, count = predict_image(image((12, 8, 8)), predict, (8, 8, 8), overlap=0.5, classes=1)
    profile = scores[0, :, 4, 4]
    assert count == 2
    assert profile[:4].tolist() == [0.0] * 4
    assert profile[8:].tolist() == [1.0] * 4
    assert (np.diff(profile[3:9]) > 0).all()
    assert profile[5] < 0.5 < profile[6]


@given(shapes(1, 9), shapes(1, 9), SEEDS)
@LAW
def test_padding_keeps_the_image_in_the_middle(size: Shape, window: Shape, seed: int) -> None:
    """A window fits afterwards, the box finds the original, and all around it is 0."""
    original = image(size, seed)
    padded, box = pad_to(original, window)
    assert padded.shape[1:] == tuple(max(n, w) for n, w in zip(size, window, strict=True))
    np.testing.assert_array_equal(padded[(slice(None), *box.slices)], original)
    assert np.abs(padded).sum() == pytest.approx(np.abs(original).sum(), rel=1e-5)
    before = np.array(box.start)
    after = np.array(padded.shape[1:]) - box.stop
    assert ((after - before == 0) | (after - before == 1)).all()


@pytest.mark.parametrize("window", [(8, 8, 8), (7, 10, 16), (128, 16, 8)])
def test_weights_are_a_symmetric_bell_that_is_never_0(window: Shape) -> None:
    """A voxel counts by its distance from the middle, the same in both directions."""
    weight = bell(window)
    assert weight.shape == window
    assert weight.max() == 1.0
    assert weight.min() >= 1e-3
    np.testing.assert_allclose(weight, weight[::-1, ::-1, ::-1], rtol=1e-5)
