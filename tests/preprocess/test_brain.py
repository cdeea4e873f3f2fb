"""The brain of a skull-stripped study."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.errors import ImagesApartError
from latup_cli.preprocess.brain import brain_mask, bright_brain_mask

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


def test_a_smeared_edge_is_no_brain() -> None:
    """What interpolation dims around a stripped brain is left out, where "non-zero" takes it in."""
    images = []
    for axis in (0, 1, 2, 0):
        blurred = sum(np.roll(block(), step, axis) for step in (-1, 0, 1)) / 3.0
        images.append(blurred.astype(np.float32))
    np.testing.assert_array_equal(bright_brain_mask(images), block() != 0)
    assert brain_mask(images).sum() > 1.5 * np.count_nonzero(block())


def test_half_of_the_images_decide() -> None:
    """Fluid that is dark in two of four images is brain; what one image alone shows is not."""
    dark, alone = block(), block()
    dark[2:4] *= 0.1
    alone[9:11, 3:11, 2:8] = 100.0
    np.testing.assert_array_equal(bright_brain_mask([dark, -dark, alone, block()]), block() != 0)


def test_images_without_a_common_place_have_no_brain() -> None:
    """Nothing, or images that lie apart, are refused instead of giving an empty mask."""
    apart = np.zeros(SHAPE, dtype=np.float32)
    apart[10:] = 100.0
    with pytest.raises(ValueError, match="non-zero"):
        bright_brain_mask([np.zeros(SHAPE)] * 4)
    with pytest.raises(ImagesApartError, match="in common"):
        bright_brain_mask([block(), apart, np.zeros(SHAPE), np.zeros(SHAPE)])
