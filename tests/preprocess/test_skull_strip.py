"""The brain is found in heads of any lattice, by networks that the caller runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid, Shape
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import Mask, Volume
from latup_cli.preprocess.skull_strip import Array, box_around, look_at, scaled, strip
from tests.properties.strategies import AXIS_ORDERS, LAW, SEEDS, shapes

SMALL, FINE = (16, 16, 16), (32, 32, 32)
SHAPE = (40, 48, 36)
BRIGHT = 0.449 + 0.226
"""What is one standard deviation above the mean in the networks' scale."""


def bright_is_brain(window: Array) -> Array:
    """A stand-in for both networks: brain is what is brighter than most."""
    brain = (window[:, 0] > BRIGHT).astype(np.float32)
    return np.stack([1 - brain, brain], axis=1)


def nothing_is_brain(window: Array) -> Array:
    """A network that sees no brain anywhere."""
    brain = np.zeros_like(window[:, 0])
    return np.stack([1 - brain, brain], axis=1)


def head(shape: Shape = SHAPE) -> Volume:
    """Dark air, gray flesh and, off the middle, a bright ellipsoid with a dark hollow in it."""
    half = [(2 * i + 1) / n - 1 for i, n in zip(np.indices(shape), shape, strict=True)]
    center = (0.2, -0.15, 0.1)
    away = np.sqrt(sum(((x - c) / 0.5) ** 2 for x, c in zip(half, center, strict=True)))
    flesh = np.sqrt(sum(x**2 for x in half)) < 0.95
    data = np.select([away < 0.3, away < 1.0, flesh], [100.0, 900.0, 150.0], 5.0)
    grid = Grid(shape, np.diag([1.0, 1.0, 1.0, 1.0]))
    return Volume(data.astype(np.float32), grid)


def found(image: Volume) -> Mask:
    """What is stripped with the stand-ins in small windows."""
    return strip(image, bright_is_brain, bright_is_brain, box_window=SMALL, brain_window=FINE)


def dice(one: Mask, other: Mask) -> float:
    """Of two masks on one grid."""
    return 2 * float((one.data & other.data).sum()) / float(one.data.sum() + other.data.sum())


def filled() -> Mask:
    """The right answer: the ellipsoid with its hollow."""
    half = [(2 * i + 1) / n - 1 for i, n in zip(np.indices(SHAPE), SHAPE, strict=True)]
    center = (0.2, -0.15, 0.1)
    away = sum(((x - c) / 0.5) ** 2 for x, c in zip(half, center, strict=True))
    return Mask(np.asarray(away < 1.0), head().grid)


def test_the_brain_is_found_and_its_holes_are_filled() -> None:
    """The mask is the bright body with its hollow, on the grid of the image."""
    image = head()
    mask = found(image)
    assert mask.grid is image.grid
    assert dice(mask, filled()) > 0.97
    center = tuple(int(n) for n in np.argwhere(filled().data).mean(axis=0))
    assert image.data[center] == 100.0
    assert mask.data[center]


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_the_axis_order_of_the_file_changes_nothing(codes: str) -> None:
    """The networks always see left to right first, and the mask comes back where it belongs."""
    straight = head()
    turn = reorientation(straight.grid, codes)
    turned = Volume(np.ascontiguousarray(turn.apply(straight.data)), turn.grid(straight.grid))
    back = turn.undo(found(turned).data)
    np.testing.assert_array_equal(back, found(straight).data)


@given(st.floats(0.01, 1000.0), st.floats(-500.0, 500.0))
@LAW
def test_the_scanner_s_scale_changes_nothing(factor: float, offset: float) -> None:
    """An image times a positive factor plus an offset has the same brain."""
    image = head()
    other = Volume((image.data * factor + offset).astype(np.float32), image.grid)
    assert dice(found(other), found(image)) > 0.99


def test_the_image_is_left_alone() -> None:
    """Finding the brain writes nothing to the image, not even where it is not-a-number."""
    image = head()
    copy = image.data.copy()
    copy[0, 0, 0] = np.nan
    mask = found(Volume(copy, image.grid))
    assert np.isnan(copy[0, 0, 0])
    np.testing.assert_array_equal(mask.data, found(image).data)


def test_a_speck_beside_the_brain_is_dropped() -> None:
    """What is bright and does not hang together with the brain is no brain."""
    image = head()
    specked = image.data.copy()
    specked[2:6, 40:44, 30:34] = 900.0
    mask = found(Volume(specked, image.grid))
    assert not mask.data[2:6, 40:44, 30:34].any()
    assert dice(mask, filled()) > 0.97


def test_where_no_brain_is_seen_the_mask_is_empty() -> None:
    """A network that sees nothing, in either step, gives an empty mask instead of a crash."""
    image = head()
    for networks in [(nothing_is_brain, bright_is_brain), (bright_is_brain, nothing_is_brain)]:
        mask = strip(image, *networks, box_window=SMALL, brain_window=FINE)
        assert not mask.data.any()


def test_an_image_without_contrast_has_no_brain() -> None:
    """An image that is the same everywhere is not divided by zero."""
    image = head()
    assert not found(Volume(np.full_like(image.data, 7.0), image.grid)).data.any()


def test_the_second_network_sees_the_box_alone() -> None:
    """The brain's box with a tenth to either side fills the second window, and no more."""
    seen: list[Array] = []

    def look(window: Array) -> Array:
        seen.append(window)
        return bright_is_brain(window)

    strip(head(), look, look, box_window=SMALL, brain_window=FINE)
    first, second = ((window[0, 0] > BRIGHT).mean() for window in seen)
    assert [window.shape for window in seen] == [(1, 1, *SMALL), (1, 1, *FINE)]
    assert second > 2 * first
    assert all(window.dtype == np.float32 for window in seen)


@given(SEEDS, shapes(3, 40))
@LAW
def test_scaled_images_have_one_mean_and_spread(seed: int, shape: Shape) -> None:
    """Whatever the scanner's scale, the networks see mean 0.449 and deviation 0.226."""
    data = np.random.default_rng(seed).gamma(2.0, 300.0, shape).astype(np.float32)
    low, high = (float(value) for value in np.percentile(data, (0.5, 99.5)))
    seen = scaled(data, low, high)
    assert seen.dtype == np.float32
    assert float(seen.mean()) == pytest.approx(0.449, abs=1e-4)
    assert float(seen.std()) == pytest.approx(0.226, abs=1e-4)


@given(SEEDS, shapes(2, 9), st.integers(1, 4))
@LAW
def test_looking_closer_and_back_returns_the_image(seed: int, shape: Shape, times: int) -> None:
    """Sampling to a whole multiple of voxels repeats each; sampling back takes each once."""
    data = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    i, j, k = (times * n for n in shape)
    closer = look_at(data, (i, j, k))
    np.testing.assert_array_equal(closer[::times, ::times, ::times], data)
    np.testing.assert_array_equal(look_at(closer, shape), data)


@given(SEEDS)
@LAW
def test_the_box_holds_the_brain_with_a_margin(seed: int) -> None:
    """Every voxel of a block lies in the box; the box is a fifth longer, or ends at the edge."""
    random = np.random.default_rng(seed)
    probability = np.zeros(SMALL, dtype=np.float32)
    start = random.integers(0, 8, 3)
    stop = start + random.integers(4, 8, 3)
    block = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    probability[block] = 0.9
    shape = tuple(int(n) * 16 for n in random.integers(2, 9, 3))
    box = box_around(probability, (shape[0], shape[1], shape[2]))
    assert box is not None
    for axis in range(3):
        scale = shape[axis] // 16
        length = int(stop[axis] - start[axis]) * scale
        assert 0 <= box.start[axis] <= start[axis] * scale
        assert stop[axis] * scale <= box.stop[axis] <= shape[axis]
        assert box.shape[axis] <= 1.2 * length + 2


def test_a_thread_that_sticks_out_does_not_widen_the_box() -> None:
    """Planes of which less than a fiftieth is brain do not count."""
    probability = np.zeros(SMALL, dtype=np.float32)
    probability[4:10, 4:10, 4:10] = 1.0
    plain = box_around(probability, SMALL)
    probability[10:, 5, 5] = 1.0
    assert box_around(probability, SMALL) == plain
    assert box_around(np.zeros(SMALL, dtype=np.float32), SMALL) is None
