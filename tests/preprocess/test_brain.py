"""The brain of a skull-stripped study."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.preprocess.brain import brain_mask

SHAPE = (12, 14, 10)


def block() -> npt.NDArray[np.float32]:
    """A brain of one intensity that touches no face of the image."""
    image = np.zeros(SHAPE, dtype=np.float32)
    image[2:9, 3:11, 2:8] = 100.0
    return image


def test_a_voxel_of_any_modality_belongs_to_the_brain() -> None:
    """Where one image is 0 and another is not, there is brain; negative values count too."""
    upper, lower = block(), -block()
    upper[:5], lower[5:] = 0, 0
    np.testing.assert_array_equal(brain_mask([upper, lower]), block() != 0)


def test_holes_are_filled() -> None:
    """A ventricle that is exactly 0 in every modality is inside the brain."""
    hollow = block()
    hollow[4:6, 5:7, 4:6] = 0
    np.testing.assert_array_equal(brain_mask([hollow]), block() != 0)


def test_specks_beside_the_brain_are_dropped() -> None:
    """What does not hang together with the brain is not brain."""
    specked = block()
    specked[0, 0, 0] = specked[11, 13, 9] = 50.0
    np.testing.assert_array_equal(brain_mask([specked]), block() != 0)


def test_a_brain_may_fill_the_image() -> None:
    """A brain that touches every face of the image is kept whole."""
    full = np.ones(SHAPE, dtype=np.float32)
    assert brain_mask([full]).all()


def test_nothing_is_no_brain() -> None:
    """Four empty images are refused instead of giving an empty mask."""
    with pytest.raises(ValueError, match="non-zero"):
        brain_mask([np.zeros(SHAPE)] * 4)


def test_the_inputs_are_left_alone() -> None:
    """Finding the brain writes to no image."""
    first, second = block(), block()[::-1]
    copies = first.copy(), second.copy()
    brain_mask([first, second])
    np.testing.assert_array_equal(first, copies[0])
    np.testing.assert_array_equal(second, copies[1])
