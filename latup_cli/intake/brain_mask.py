"""Read a brain mask that the user brings along."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latup_cli.domain.agreement import shared_grid
from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask
from latup_cli.errors import ImageContentError, ImageNotFoundError, named_as
from latup_cli.imaging.nifti import read
from latup_cli.intake.naming import shown as shown_file

_HALF = 0.5


def read_brain_mask(path: Path, grid: Grid, study: str) -> Mask:
    """The brain: every voxel above one half.

    Args:
        path: A NIfTI file.
        grid: Of the T1ce as it came, on which the mask must lie.
        study: What the study is called in outputs.

    Raises:
        ImageNotFoundError: If there is no such file.
        UnreadableImageError: If it cannot be read.
        GridMismatchError: If it lies on another grid.
        ImageContentError: If it is empty, or everything is brain.
    """
    shown = shown_file(path, study, "mask")
    if not path.is_file():
        raise ImageNotFoundError(shown, "brain mask")
    with named_as(shown):
        mask = read(path).volume
    shared_grid({Path("the T1ce"): grid, shown: mask.grid})
    inside = np.asarray(mask.data > _HALF)
    if not inside.any() or inside.all():
        what = "calls no voxel brain" if not inside.any() else "calls every voxel brain"
        raise ImageContentError(shown, what, "Give a mask that is 1 in the brain and 0 elsewhere.")
    return Mask(inside, grid)
