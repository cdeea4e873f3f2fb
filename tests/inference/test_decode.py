"""Decoding: nested regions, one tissue per voxel, nothing outside the brain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.inference.decode import (
    core_threshold,
    decode,
    islands,
    region_probabilities,
    unbelieved_ml,
    with_core,
    without_enhancement,
)
from latup_cli.labels import Tissue
from tests.properties.strategies import LAW, SEEDS

SHAPE = (5, 6, 4)


def classes(seed: int, sharpness: float = 3.0) -> npt.NDArray[np.float32]:
    """Softmax of random scores: (4, i, j, k), summing to 1."""
    scores = sharpness * np.random.default_rng(seed).normal(size=(4, *SHAPE))
    exponentials = np.exp(scores - scores.max(axis=0))
    return (exponentials / exponentials.sum(axis=0)).astype(np.float32)


def anything(seed: int) -> npt.NDArray[np.float32]:
    """Region probabilities that interpolation, or another model, left in no order."""
    return np.random.default_rng(seed).random((3, *SHAPE)).astype(np.float32)


def brain(seed: int) -> npt.NDArray[np.bool_]:
    """A random set of voxels."""
    return np.random.default_rng(seed + 1).random(SHAPE) < 0.7


@given(SEEDS, st.floats(0.1, 40.0))
@LAW
def test_region_probabilities_are_nested(seed: int, sharpness: float) -> None:
    """ET is never more probable than TC, nor TC than WT, nor WT than certain."""
    whole, core, enhancing = region_probabilities(classes(seed, sharpness))
    assert (enhancing <= core).all()
    assert (core <= whole).all()
    assert whole.max() <= 1.0 + 1e-6
    assert enhancing.min() >= 0.0


@given(SEEDS)
@LAW
def test_region_probabilities_are_sums_of_classes(seed: int) -> None:
    """WT is everything but background, TC is NCR and ET, ET is the last class."""
    share = classes(seed)
    whole, core, enhancing = region_probabilities(share)
    np.testing.assert_allclose(whole, 1.0 - share[0], atol=1e-6)
    np.testing.assert_allclose(core, share[Tissue.NCR] + share[Tissue.ET], atol=1e-6)
    np.testing.assert_array_equal(enhancing, share[Tissue.ET])


@given(SEEDS)
@LAW
def test_labels_are_nested_whatever_the_probabilities(seed: int) -> None:
    """ET lies in TC, TC in WT, WT in the brain, even if the probabilities contradict it."""
    regions, inside = anything(seed), brain(seed)
    labels = decode(regions, inside)
    whole = labels > 0
    core = (labels == Tissue.NCR) | (labels == Tissue.ET)
    enhancing = labels == Tissue.ET
    likely = regions > 0.5
    np.testing.assert_array_equal(whole, inside & likely[0])
    np.testing.assert_array_equal(core, whole & likely[1])
    np.testing.assert_array_equal(enhancing, core & likely[2])
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ((0.0, 0.0, 0.0), 0),
        ((0.9, 0.1, 0.0), Tissue.ED),
        ((0.9, 0.8, 0.1), Tissue.NCR),
        ((0.9, 0.8, 0.7), Tissue.ET),
        ((0.5, 0.5, 0.5), 0),
        ((0.4, 0.9, 0.9), 0),
        ((0.9, 0.4, 0.9), Tissue.ED),
    ],
)
def test_a_voxel_gets_the_tissue_of_its_innermost_region(
    regions: tuple[float, float, float], expected: int
) -> None:
    """More than half is in; a region counts only inside the one around it."""
    probabilities = np.array(regions, dtype=np.float32).reshape(3, 1, 1, 1)
    assert decode(probabilities, np.ones((1, 1, 1), dtype=np.bool_)).item() == expected


def test_nothing_is_labeled_outside_the_brain() -> None:
    """However sure the network is, a voxel outside the brain is background."""
    certain = np.ones((3, *SHAPE), dtype=np.float32)
    inside = brain(0)
    labels = decode(certain, inside)
    assert not labels[~inside].any()
    assert (labels[inside] == Tissue.ET).all()


def test_decoding_leaves_the_brain_mask_alone() -> None:
    """The mask that is handed in is not written to."""
    inside = brain(2)
    before = inside.copy()
    decode(anything(2), inside)
    np.testing.assert_array_equal(inside, before)


def spot(voxels: int) -> npt.NDArray[np.uint8]:
    """Labels with so many voxels of ET, in two places, beside NCR and ED."""
    labels = np.zeros((10, 10, 10), dtype=np.uint8)
    labels[0], labels[1, 0] = Tissue.ED, Tissue.NCR
    labels[2].flat[: voxels // 2] = Tissue.ET
    labels[8].flat[: voxels - voxels // 2] = Tissue.ET
    return labels


@pytest.mark.parametrize(
    ("voxels", "voxel_ml", "smallest_ml", "expected"),
    [
        (0, 0.001, {"ET": 0.05}, 0.0),
        (49, 0.001, {"ET": 0.05}, 0.049),
        (50, 0.001, {"ET": 0.05}, 0.0),
        (49, 0.002, {"ET": 0.05}, 0.0),
        (24, 0.002, {"ET": 0.05}, 0.048),
        (1, 0.001, {}, 0.0),
    ],
)
def test_a_volume_below_the_smallest_is_not_believed(
    voxels: int, voxel_ml: float, smallest_ml: dict[str, float], expected: float
) -> None:
    """All ET of a study counts together, in mL; without a limit, or at it, everything is kept."""
    assert unbelieved_ml(spot(voxels), voxel_ml, smallest_ml) == pytest.approx(expected)


def test_small_pieces_are_islands_and_the_largest_never_is() -> None:
    """Pieces below the volume are told apart by faces, whatever their tissue; one always stays."""
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[:3, :3, :3] = Tissue.ED  # 27 voxels
    labels[1, 1, 1] = Tissue.ET
    labels[6:8, 6:8, 6:8] = Tissue.NCR  # 8 voxels
    labels[10, 10, 10] = Tissue.ET
    expected = np.zeros(labels.shape, dtype=np.bool_)
    expected[10, 10, 10] = True
    np.testing.assert_array_equal(islands(labels, 0.001, 0.008), expected)
    expected[6:8, 6:8, 6:8] = True
    np.testing.assert_array_equal(islands(labels, 0.001, 0.009), expected)
    np.testing.assert_array_equal(islands(labels, 0.001, 1.0), expected)
    assert not islands(np.zeros_like(labels), 0.001, 1.0).any()


@given(SEEDS)
@LAW
def test_what_is_not_believed_stays_in_core_and_whole(seed: int) -> None:
    """Without enhancement there is no ET, every voxel of it is NCR, and nothing else changes."""
    labels = decode(anything(seed), brain(seed))
    before = labels.copy()
    found = without_enhancement(labels)
    assert found.dtype == np.uint8
    assert not (found == Tissue.ET).any()
    np.testing.assert_array_equal(found[before == Tissue.ET], Tissue.NCR)
    np.testing.assert_array_equal(found[before != Tissue.ET], before[before != Tissue.ET])
    np.testing.assert_array_equal(labels, before)


def without_et(seed: int, share: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A tumor without ET, of which a share is core, and a core's probability that says the same."""
    rng = np.random.default_rng(seed)
    core = rng.random(SHAPE, dtype=np.float32)
    whole = rng.random(SHAPE) < 0.5
    border = np.quantile(core[whole], 1.0 - share)
    core = np.where(core > border, 0.5 + core / 2, core / 2).astype(np.float32)
    labels = np.where(whole, np.where(core > 0.5, Tissue.NCR, Tissue.ED), 0).astype(np.uint8)
    return labels, core


@given(SEEDS)
@LAW
def test_a_tumor_without_enhancement_gets_the_likeliest_core(seed: int) -> None:
    """Core grows to its least share by the likeliest voxels of edema, and nothing else changes."""
    labels, core = without_et(seed, 0.1)
    found = with_core(labels, core, core_threshold(labels, core, 0.4))
    whole, before, after = labels != 0, labels == Tissue.NCR, found == Tissue.NCR
    assert np.count_nonzero(after) == np.ceil(0.4 * np.count_nonzero(whole))
    np.testing.assert_array_equal(found != 0, whole)
    assert after[before].all()
    assert core[after].min() > core[whole & ~after].max()


@pytest.mark.parametrize("least_share", [0.0, 0.1, 0.5])
def test_a_core_that_is_large_enough_stays(least_share: float) -> None:
    """With the share, with ET, or without a rule, voxels are core from one half on."""
    labels, core = without_et(1, 0.6)
    assert core_threshold(labels, core, least_share) == 0.5
    labels, core = without_et(1, 0.01)
    assert core_threshold(np.zeros_like(labels), core, least_share) == 0.5
    labels[0, 0, 0] = Tissue.ET
    assert core_threshold(labels, core, least_share) == 0.5


def test_what_cannot_be_core_does_not_become_it() -> None:
    """Voxels with a probability of 0 stay edema, even if the core is then smaller than asked."""
    labels = np.full((2, 2, 2), Tissue.ED, dtype=np.uint8)
    core = np.zeros(labels.shape, dtype=np.float32)
    core[0, 0, 0] = 1e-4
    found = with_core(labels, core, core_threshold(labels, core, 0.5))
    np.testing.assert_array_equal(found == Tissue.NCR, core > 0)
