"""Pieces of masks, and holes in them, as SciPy finds them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from latup_cli.imaging.itk import components, filled


def sponge(seed: int) -> np.ndarray:
    """Lumps with holes, some of them cut by the array's faces."""
    noise = np.random.default_rng(seed).normal(size=(17, 13, 11))
    return np.asarray(ndimage.gaussian_filter(noise, 0.8) > -0.1)


@pytest.mark.parametrize("seed", range(6))
def test_pieces_share_no_face(seed: int) -> None:
    """Two voxels have one number exactly where SciPy gives them one; outside is 0."""
    mask = ~sponge(seed)
    ours, count = components(mask)
    theirs, expected = ndimage.label(mask)
    assert count == expected
    assert len(np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1).T) == expected + 1
    np.testing.assert_array_equal(ours == 0, ~mask)


@pytest.mark.parametrize("seed", range(6))
def test_holes_are_what_no_face_leads_out_of(seed: int) -> None:
    """The same voxels are filled as by SciPy."""
    np.testing.assert_array_equal(filled(sponge(seed)), ndimage.binary_fill_holes(sponge(seed)))


def test_nothing_has_no_pieces() -> None:
    """An empty mask stays empty."""
    empty = np.zeros((4, 5, 6), dtype=np.bool_)
    assert components(empty)[1] == 0
    assert not filled(empty).any()
