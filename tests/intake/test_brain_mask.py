"""A brain mask from the user: what is refused, and that nobody's name is said."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.errors import GridMismatchError, ImageNotFoundError, UnreadableImageError
from latup_cli.intake.brain_mask import read_brain_mask

GRID = Grid((4, 5, 6), np.eye(4))


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A place that tells who the patient is."""
    folder = tmp_path / "DOE^JANE 19610412"
    folder.mkdir()
    return folder / "DOE^JANE_mask.nii.gz"


def message(path: Path, error: type[Exception]) -> str:
    """What is said of a mask that is refused."""
    with pytest.raises(error) as caught:
        read_brain_mask(path, GRID, "study-x")
    return str(caught.value)


def test_a_mask_is_what_lies_above_one_half(tmp_path: Path) -> None:
    """Shares of brain count from one half on."""
    shares = np.zeros(GRID.shape, dtype=np.float32)
    shares[1, 2, 3], shares[2, 2, 3] = 0.6, 0.4
    nib.save(nib.Nifti1Image(shares, np.eye(4)), tmp_path / "mask.nii.gz")
    mask = read_brain_mask(tmp_path / "mask.nii.gz", GRID, "P1")
    assert np.argwhere(mask.data).tolist() == [[1, 2, 3]]


def test_no_message_names_the_patient(private: Path) -> None:
    """Whether a mask is missing, damaged or on another grid, its place and name stay unsaid."""
    said = [message(private, ImageNotFoundError)]
    private.write_bytes(b"DOE^JANE")
    said.append(message(private, UnreadableImageError))
    elsewhere = nib.Nifti1Image(np.ones(GRID.shape, dtype=np.uint8), 2.0 * np.eye(4))
    nib.save(elsewhere, private)
    said.append(message(private, GridMismatchError))
    assert not any(word in text for text in said for word in ("DOE", "JANE", "1961"))
