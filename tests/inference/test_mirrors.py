"""Seen in a mirror, a window gives the mirrored answer, and a fair network the same as before."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Shape
from latup_cli.inference.mirrors import VIEWS, mirrored
from latup_cli.inference.windows import Array, Predict
from tests.properties.strategies import LAW, SEEDS, shapes

CHANNELS, CLASSES = 2, 4
AXES = [tuple(axis for axis, on in zip((2, 3, 4), chosen, strict=True) if on)
        for chosen in product((False, True), repeat=3)]  # fmt: skip


def window(size: Shape, seed: int) -> Array:
    """(1, channels, i, j, k) random intensities."""
    return np.random.default_rng(seed).normal(size=(1, CHANNELS, *size)).astype(np.float32)


def softmax(scores: Array) -> Array:
    """Probabilities of classes, which sum to 1."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: Array = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return share


def voxelwise(seed: int) -> Predict:
    """A network that looks at one voxel at a time: no mirror changes what it says of it."""
    weights = np.random.default_rng(seed).normal(size=(CLASSES, CHANNELS)).astype(np.float32)
    return lambda seen: softmax(np.einsum("oc,ncijk->noijk", weights, seen))


def one_sided(size: Shape, seed: int) -> Predict:
    """A network that knows left from right: each voxel has weights of its own."""
    weights = np.random.default_rng(seed).normal(size=(CLASSES, CHANNELS, *size))
    return lambda seen: softmax(np.einsum("ocijk,ncijk->noijk", weights, seen).astype(np.float32))


@given(shapes(1, 6), SEEDS)
@LAW
def test_a_fair_network_says_the_same(size: Shape, seed: int) -> None:
    """A network that is equivariant to mirrors gives its own answer, to the last bit."""
    network, seen = voxelwise(seed), window(size, seed + 1)
    np.testing.assert_array_equal(mirrored(network)(seen), network(seen))


@given(shapes(1, 6), SEEDS, st.sampled_from(AXES))
@LAW
def test_any_network_becomes_fair(size: Shape, seed: int, axes: tuple[int, ...]) -> None:
    """Whatever the network, a mirrored window gives exactly the mirrored answer."""
    network, seen = mirrored(one_sided(size, seed)), window(size, seed + 1)
    np.testing.assert_array_equal(network(np.flip(seen, axes)), np.flip(network(seen), axes))


@given(shapes(1, 6), SEEDS)
@LAW
def test_it_is_the_mean_of_all_eight(size: Shape, seed: int) -> None:
    """The answer is the mean over every mirroring, each mirrored back, and still sums to 1."""
    network, seen = one_sided(size, seed), window(size, seed + 1)
    views = [np.flip(network(np.flip(seen, axes)), axes) for axes in AXES]
    found = mirrored(network)(seen)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(views, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


def test_every_view_is_seen_once() -> None:
    """The network runs 8 times, on 8 different arrays that engines take as they are."""
    seen: list[Array] = []

    def network(view: Array) -> Array:
        assert view.flags.c_contiguous
        seen.append(view.copy())
        return np.repeat(view, 2, axis=1)

    mirrored(network)(window((3, 4, 5), 0))
    assert len(seen) == len({view.tobytes() for view in seen}) == VIEWS == len(AXES)


@pytest.mark.parametrize("size", [(4, 3, 5), (2, 2, 2)])
def test_an_engine_may_reuse_its_memory(size: Shape) -> None:
    """An answer in memory that the next run overwrites is averaged all the same."""
    plain, answer = one_sided(size, 3), np.empty((1, CLASSES, *size), dtype=np.float32)

    def reusing(view: Array) -> Array:
        answer[:] = plain(view)
        return answer

    seen = window(size, 4)
    np.testing.assert_array_equal(mirrored(reusing)(seen), mirrored(plain)(seen))
