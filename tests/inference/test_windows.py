"""Windows see every voxel of a brain, as few twice as possible, and blending adds nothing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Shape
from latup_cli.inference.windows import Array, bell, plan_windows, predict_image, window_starts
from tests.properties.strategies import LAW, SEEDS, shapes

OVERLAPS = st.floats(0.0, 0.9)


def image(size: Shape, seed: int = 0, channels: int = 2) -> Array:
    """Random intensities."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(channels, *size)).astype(np.float32)


def whole(size: Shape) -> npt.NDArray[np.bool_]:
    """A brain that fills the image."""
    return np.ones(size, dtype=np.bool_)


def blobs(size: Shape, seed: int) -> npt.NDArray[np.bool_]:
    """A brain of a few voxels, in no particular place."""
    return np.random.default_rng(seed).random(size) < 0.02


def same(crop: Array) -> Array:
    """A model that repeats its input."""
    return crop


@given(st.integers(0, 9), st.integers(1, 60), st.data(), OVERLAPS)
@LAW
def test_windows_cover_a_range_to_its_ends(
    first: int, size: int, data: st.DataObject, overlap: float
) -> None:
    """The first window starts at the first voxel, the last ends at the last, none is skipped."""
    window = data.draw(st.integers(1, size))
    starts = window_starts(first, first + size, window, overlap)
    seen = {voxel for start in starts for voxel in range(start, start + window)}
    assert seen == set(range(first, first + size))


@given(st.integers(8, 200), st.integers(8, 64), OVERLAPS)
@LAW
def test_neighbors_share_at_least_the_overlap(size: int, window: int, overlap: float) -> None:
    """Two neighboring windows never share less than was asked for."""
    starts = window_starts(0, max(size, window), window, overlap)
    shared = window - np.diff(starts)
    assert (shared >= min(overlap * window, window - 1) - 1e-9).all()


def test_an_odd_remainder_is_spread_evenly() -> None:
    """Windows shift by about the same amount instead of crowding at the end."""
    assert window_starts(0, 100, 64, 0.5) == [0, 18, 36]


@given(shapes(1, 12), shapes(1, 12), OVERLAPS, SEEDS)
@LAW
def test_windows_see_every_voxel_of_the_brain(
    size: Shape, window: Shape, overlap: float, seed: int
) -> None:
    """Smaller or larger than the image, windows stay inside and each holds some brain."""
    brain = blobs(size, seed)
    plan = plan_windows(brain, window, overlap)
    padded = np.zeros(plan.size, dtype=np.bool_)
    padded[plan.inside.slices] = brain if brain.any() else True
    seen = np.zeros_like(padded)
    for box in plan.windows:
        assert box.shape == window
        assert padded[box.slices].shape == window
        assert padded[box.slices].any()
        seen[box.slices] = True
    assert not (padded & ~seen).any()


@given(shapes(3, 12), shapes(3, 12), OVERLAPS, SEEDS)
@LAW
def test_a_brain_never_takes_more_windows_than_its_image(
    size: Shape, window: Shape, overlap: float, seed: int
) -> None:
    """Fitting rows of windows to the brain saves windows or changes nothing."""
    rows = [window_starts(0, max(n, w), w, overlap) for n, w in zip(size, window, strict=True)]
    plan = plan_windows(blobs(size, seed), window, overlap)
    assert len(plan.windows) <= math.prod(map(len, rows))


@given(shapes(3, 12), st.data(), st.floats(0.0, 0.9), SEEDS)
@LAW
def test_a_brain_that_fits_is_seen_at_once(
    size: Shape, data: st.DataObject, overlap: float, seed: int
) -> None:
    """One window is enough for what is no larger, wherever it lies and whatever the overlap."""
    window = data.draw(st.tuples(*(st.integers(1, n) for n in size)))
    start = [data.draw(st.integers(0, n - w)) for n, w in zip(size, window, strict=True)]
    here = tuple(slice(s, s + w) for s, w in zip(start, window, strict=True))
    brain = np.zeros(size, dtype=np.bool_)
    brain[here] = np.random.default_rng(seed).random(window) < 0.5
    brain[tuple(start)] = True
    plan = plan_windows(brain, window, overlap)
    assert len(plan.windows) == 1
    assert plan.repeated_share == 0.0


def test_rows_follow_the_brain() -> None:
    """A brain of a long and a short half takes a long and a short row of windows."""
    brain = np.zeros((16, 32, 8), dtype=np.bool_)
    brain[:8] = True
    brain[8:, 12:20] = True
    plan = plan_windows(brain, (8, 8, 8), 0.0)
    starts = [box.start for box in plan.windows]
    assert starts == [(0, 0, 0), (0, 8, 0), (0, 16, 0), (0, 24, 0), (8, 12, 0)]


def test_what_lies_between_two_parts_is_left_out() -> None:
    """No window is spent on a gap without brain."""
    brain = np.zeros((40, 8, 8), dtype=np.bool_)
    brain[:8] = brain[32:] = True
    assert len(plan_windows(brain, (8, 8, 8), 0.0).windows) == 2


def test_the_cost_is_known_before() -> None:
    """Windows, computed voxels and the share that is computed twice follow from the plan alone."""
    plan = plan_windows(whole((12, 8, 8)), (8, 8, 8), 0.5)
    assert len(plan.windows) == 2
    assert plan.voxels == 2 * 8**3
    assert plan.repeated_share == pytest.approx(4 / 16)


def test_views_of_a_window_cost_as_much_as_windows() -> None:
    """Eight views of every window are eight times the voxels; where they lie stays the same."""
    brain = whole((12, 8, 8))
    plain, mirrored = (plan_windows(brain, (8, 8, 8), 0.5, views=views) for views in (1, 8))
    assert mirrored.windows == plain.windows
    assert mirrored.voxels == 8 * plain.voxels
    assert mirrored.repeated_share == pytest.approx(1 - 12 / (8 * 16))


@given(shapes(3, 12), shapes(3, 12), OVERLAPS, SEEDS)
@LAW
def test_blending_an_identity_changes_nothing(
    size: Shape, window: Shape, overlap: float, seed: int
) -> None:
    """A model that repeats its input gives the input back, however its windows overlap."""
    original = image(size, seed)
    plan = plan_windows(whole(size), window, overlap)
    scores = predict_image(original, same, plan, classes=2)
    np.testing.assert_allclose(scores, original, rtol=1e-4, atol=1e-5)
    assert scores.dtype == np.float32


@given(shapes(3, 12), shapes(3, 9), OVERLAPS, SEEDS)
@LAW
def test_outside_all_windows_scores_are_0(
    size: Shape, window: Shape, overlap: float, seed: int
) -> None:
    """The brain gets its own scores, and what no window saw gets none."""
    original, brain = image(size, seed), blobs(size, seed)
    scores = predict_image(original, same, plan_windows(brain, window, overlap), classes=2)
    np.testing.assert_allclose(scores[:, brain], original[:, brain], rtol=1e-4, atol=1e-5)
    elsewhere = np.isclose(scores, original, rtol=1e-4, atol=1e-5) | (scores == 0)
    assert elsewhere.all()


def test_two_runs_give_the_same_bytes() -> None:
    """The order in which windows are added is part of the plan."""
    original, brain = image((20, 18, 22)), blobs((20, 18, 22), 1)
    runs = [
        predict_image(original, same, plan_windows(brain, (8, 9, 10), 0.5), classes=2)
        for _ in range(2)
    ]
    assert runs[0].tobytes() == runs[1].tobytes()


def test_the_model_sees_one_window_at_a_time() -> None:
    """Every call gets a contiguous batch of one, of the window's size, as often as planned."""
    calls: list[tuple[int, ...]] = []

    def predict(crop: Array) -> Array:
        assert crop.flags.c_contiguous
        calls.append(crop.shape)
        return crop[:, :1]

    plan = plan_windows(whole((9, 11, 8)), (8, 8, 8), 0.5)
    predict_image(image((9, 11, 8)), predict, plan, classes=1)
    assert calls == [(1, 2, 8, 8, 8)] * 4


@pytest.mark.parametrize(("size", "expected"), [((8, 8, 8), [1.0]), ((12, 8, 8), [0.5, 1.0])])
def test_progress_ends_at_the_whole(size: Shape, expected: list[float]) -> None:
    """After each window the share that is done is told, also where there is only one."""
    told: list[float] = []
    plan = plan_windows(whole(size), (8, 8, 8), 0.5)
    predict_image(image(size), same, plan, classes=2, on_share=told.append)
    assert told == expected


def test_the_middle_of_a_window_counts_most() -> None:
    """Where two windows disagree, the one in whose middle a voxel lies wins."""
    answers = iter((0.0, 1.0))

    def predict(crop: Array) -> Array:
        return np.full((1, 1, *crop.shape[2:]), next(answers), dtype=np.float32)

    plan = plan_windows(whole((12, 8, 8)), (8, 8, 8), 0.5)
    profile = predict_image(image((12, 8, 8)), predict, plan, classes=1)[0, :, 4, 4]
    assert profile[:4].tolist() == [0.0] * 4
    assert profile[8:].tolist() == [1.0] * 4
    assert (np.diff(profile[3:9]) > 0).all()
    assert profile[5] < 0.5 < profile[6]


@given(shapes(1, 9), shapes(1, 9))
@LAW
def test_a_small_image_lies_in_the_middle(size: Shape, window: Shape) -> None:
    """A window fits around it, with as many voxels before it as after it, give or take one."""
    plan = plan_windows(whole(size), window, 0.5)
    assert plan.size == tuple(max(n, w) for n, w in zip(size, window, strict=True))
    assert plan.inside.shape == size
    after = np.subtract(plan.size, plan.inside.stop) - plan.inside.start
    assert ((after == 0) | (after == 1)).all()


@pytest.mark.parametrize("window", [(8, 8, 8), (7, 10, 16), (128, 16, 8)])
def test_weights_are_a_symmetric_bell_that_is_never_0(window: Shape) -> None:
    """A voxel counts by its distance from the middle, the same in both directions."""
    weight = bell(window)
    assert weight.shape == window
    assert weight.max() == 1.0
    assert weight.min() >= 1e-3
    np.testing.assert_allclose(weight, weight[::-1, ::-1, ::-1], rtol=1e-5)
