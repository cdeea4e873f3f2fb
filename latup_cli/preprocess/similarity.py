"""How well two images fit over each other, in numbers that do not depend on their scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.imaging.itk import array_from_itk, to_itk

_Image: TypeAlias = npt.NDArray[np.float32]

FOREGROUND = 0.1
"""Share of the brightest signal above which a voxel counts as head; air and noise lie below."""

_BINS = 32
_BRIGHT_PERCENTILE = 99.5
_COMPARED_AT_MM = 3.0
_RIM_MM = 6.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one image lies over another.

    Attributes:
        mutual_information: 0 to 1, see `mutual_information`.
        head_overlap: Dice of the two heads, 0 to 1.
        inside_share: Share of the reference's head that the other's field of view covers.
    """

    mutual_information: float
    head_overlap: float
    inside_share: float


def to_unit(volume: Volume) -> Volume:
    """Intensities from 0 to 1, clipped at the darkest air and the brightest half percent.

    Returns:
        The same image, all 0 if nothing in it is brighter than the rest.
    """
    low = min(0.0, float(np.percentile(volume.data, 0.5)))
    lifted = volume.data - np.float32(low)
    signal = lifted[lifted > 0]
    high = float(np.percentile(signal, _BRIGHT_PERCENTILE)) if signal.size else 1.0
    np.clip(lifted / np.float32(high), 0.0, 1.0, out=lifted)
    return Volume(lifted, volume.grid)


def mutual_information(first: _Image, second: _Image) -> float:
    """How far the intensities of one image tell those of another.

    2 I / (H1 + H2), the symmetric uncertainty coefficient (Press et al., Numerical Recipes,
    "Contingency Table Analysis Based on Entropy"), over 32 by 32 bins of equal width.

    Args:
        first: (n,) in [0, 1].
        second: (n,) in [0, 1], at the same places.

    Returns:
        0 if independent, 1 if each determines the other; 0 if one of them is constant.
    """
    together, _, _ = np.histogram2d(first, second, bins=_BINS, range=((0, 1), (0, 1)))
    alone = _entropy(together.sum(axis=1)) + _entropy(together.sum(axis=0))
    return 2.0 * (1.0 - _entropy(together.ravel()) / alone) if alone > 0.0 else 0.0


def compare(fixed: Volume, moving: Volume, transform: RigidTransform) -> Fit:
    """How well `moving` lies over `fixed` after a transform.

    Args:
        fixed: In [0, 1], as `to_unit` gives it.
        moving: In [0, 1].
        transform: From places in `fixed` to places in `moving`.
    """
    spacing = _COMPARED_AT_MM
    grid = fixed.grid.respaced((spacing, spacing, spacing))
    reference = _sampled(fixed, grid)
    other = _sampled(moved(moving, transform), grid)
    seen = np.isfinite(other)
    head = reference > FOREGROUND
    near = array_from_itk(
        sitk.BinaryDilate(to_itk(head.astype(np.uint8), grid), [round(_RIM_MM / spacing)] * 3)
    ).astype(bool)
    both = near & seen
    other_head = seen & (other > FOREGROUND)
    shared = 2.0 * int((head & other_head).sum())
    return Fit(
        mutual_information(reference[both], other[both]),
        shared / max(1, int((head & seen).sum()) + int(other_head.sum())),
        int((head & seen).sum()) / max(1, int(head.sum())),
    )


def moved(moving: Volume, transform: RigidTransform) -> Volume:
    """The moving image where it lies in the fixed one: only its header changes."""
    fixed_from_moving = transform.inverse().moving_from_fixed
    return Volume(
        moving.data, Grid(moving.grid.shape, fixed_from_moving @ moving.grid.ras_from_voxel)
    )


def _sampled(volume: Volume, grid: Grid) -> _Image:
    """(i, j, k) of a coarse grid, NaN outside the image."""
    image = to_itk(volume.data, volume.grid)
    for axis, fine in enumerate(volume.grid.spacing_mm):
        if grid.spacing_mm[axis] > 2.0 * fine:
            image = sitk.RecursiveGaussian(image, 0.4 * _COMPARED_AT_MM, direction=axis)
    like = to_itk(np.empty(grid.shape, dtype=np.uint8), grid)
    nothing = float("nan")
    taken = sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, nothing)
    return array_from_itk(taken).astype(np.float32)


def _entropy(counts: npt.NDArray[np.float64]) -> float:
    """In nats, of a histogram."""
    shares = counts[counts > 0] / max(1.0, float(counts.sum()))
    return float(-(shares * np.log(shares)).sum())
