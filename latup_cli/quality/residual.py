"""How far two images are still apart: the shift that fits best, in each of eight blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Shape
from latup_cli.quality.coarse import Image, Region, Spacing

BINS = 16
REACH_MM = 10.0
"""Shifts up to this far are tried; what is further apart is found at the far end or at random."""

Shifts = npt.NDArray[np.float64]
Bins = npt.NDArray[np.uint8]
_BLOCKS = 8
_LEAST_VOXELS = 200
_NOTHING = BINS
_CURVED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """The image that is held still, in equally filled bins, ready for many shifts of another.

    Attributes:
        cells: (n,) where the row of each voxel's block and bin begins in a flat array of tables.
        places: (n,) flat indices of the region's voxels in an image with a rim of `reach`.
        sizes: (8,) how many voxels each block has.
        region: (i, j, k) bool.
        reach: Voxels along i, j, k that an image may be shifted by.
        spacing_mm: Along i, j, k.
    """

    cells: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]
    region: Region
    reach: Shape
    spacing_mm: Spacing

    def stride(self, axis: int) -> int:
        """How far neighbors along an axis lie apart in a flat image with its rim."""
        shape = [n + 2 * r for n, r in zip(self.region.shape, self.reach, strict=True)]
        return int(np.prod(shape[axis + 1 :], dtype=np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two images of which one is held still, both in equally filled bins.

    Attributes:
        fixed: The one.
        moving: (m,) bins of the other with a rim, flat; 16 where it is 0 and shows nothing.
    """

    fixed: Fixed
    moving: Bins


def held(image: Image, region: Region, spacing_mm: Spacing) -> Fixed:
    """Bring an (i, j, k) image into bins that the region's voxels fill equally."""
    i, j, k = (max(1, int(REACH_MM / mm)) for mm in spacing_mm)
    at = np.nonzero(region)
    sides = [(n > np.median(n)).astype(np.intp) for n in at]
    block = 4 * sides[0] + 2 * sides[1] + sides[2]
    inside = image[region]
    cells = (block * BINS + _bins(inside, inside).astype(np.intp)) * (BINS + 1)
    rimmed = [n + 2 * rim for n, rim in zip(region.shape, (i, j, k), strict=True)]
    shifted = tuple(n + rim for n, rim in zip(at, (i, j, k), strict=True))
    places = np.ravel_multi_index(shifted, rimmed)
    sizes = np.bincount(block, minlength=_BLOCKS)
    return Fixed(cells, places, sizes, region, (i, j, k), spacing_mm)


def pair(fixed: Fixed, moving: Image) -> Pair:
    """Bring another (i, j, k) image into such bins too."""
    empty = moving == 0
    binned = _bins(moving, moving[fixed.region & ~empty])
    # the rim of a stripped image would answer to any shift, for beyond it there is nothing
    binned[empty] = _NOTHING
    rims = [(rim, rim) for rim in fixed.reach]
    return Pair(fixed, np.pad(binned, rims, constant_values=_NOTHING).ravel())


def mutual_information(pair: Pair) -> float:
    """2 I / (H1 + H2) in the region: 0 if independent, 1 if each determines the other.

    The symmetric uncertainty coefficient (Press et al., Numerical Recipes, "Contingency Table
    Analysis Based on Entropy"), over bins that are filled equally.
    """
    together = _tables(pair, 0).sum(axis=0, keepdims=True)
    alone = float(_alone(together)[0])
    return 2.0 * float(_information(together)[0]) / alone if alone > 0.0 else 0.0


def residual_mm(pair: Pair) -> float:
    """Median over the eight blocks of how far the best shift lies from none, in mm.

    A motion that is left over shifts every block: all alike, or each its own way if it is a
    turn. Along each axis, the peak of mutual information over shifts, by a parabola.
    """
    usable = pair.fixed.sizes >= _LEAST_VOXELS
    if not usable.any():
        return float("nan")
    shifts = np.stack([_best_along(pair, axis) for axis in range(3)], axis=1)
    return float(np.median(np.linalg.norm(shifts[usable], axis=1)))


def _best_along(pair: Pair, axis: int) -> Shifts:
    """(8,) best shift of each block along one axis, in mm."""
    most, stride = pair.fixed.reach[axis], pair.fixed.stride(axis)
    tables = np.stack([_tables(pair, n * stride) for n in range(-most, most + 1)])
    scores = _information(tables.reshape(-1, BINS, BINS)).reshape(-1, _BLOCKS)
    return np.array([_peak(curve) - most for curve in scores.T]) * pair.fixed.spacing_mm[axis]


def _peak(curve: Shifts) -> float:
    """Where a sampled curve is highest, between its samples where it is curved there."""
    top = int(np.argmax(curve))
    if not 0 < top < curve.size - 1:
        return float(top)
    before, at, after = curve[top - 1 : top + 2]
    bend = before - 2.0 * at + after
    return top + (0.5 * (before - after) / bend if bend < -_CURVED else 0.0)


def _tables(pair: Pair, offset: int) -> Shifts:
    """(8, bins, bins) how often bins meet in each block; what shows nothing is left out.

    Args:
        pair: The two images.
        offset: How many voxels of the flat image further on `moving` is read.
    """
    fixed = pair.fixed
    cells = fixed.cells + pair.moving[fixed.places + offset]
    counts = np.bincount(cells, minlength=_BLOCKS * BINS * (BINS + 1))
    return counts.reshape(_BLOCKS, BINS, BINS + 1)[..., :BINS].astype(np.float64)


def _information(tables: Shifts) -> Shifts:
    """(n,) mutual information of n tables (n, bins, bins), in nats."""
    return _alone(tables) - _entropies(tables.reshape(len(tables), -1))


def _alone(tables: Shifts) -> Shifts:
    """(n,) sum of both entropies of n tables (n, bins, bins), in nats."""
    return _entropies(tables.sum(axis=1)) + _entropies(tables.sum(axis=2))


def _entropies(counts: Shifts) -> Shifts:
    """(n,) in nats, of n rows of counts."""
    shares = counts / np.maximum(1.0, counts.sum(axis=1, keepdims=True))
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -np.asarray((shares * logs).sum(axis=1))


def _bins(values: Image, like: Image) -> Bins:
    """Number of edges at or below each value; the edges part `like` into equal shares."""
    bins = np.zeros(values.shape, dtype=np.uint8)
    if like.size:
        edges = np.quantile(like, np.arange(1, BINS) / BINS).astype(np.float32)
        for edge in np.unique(edges):
            bins += values >= edge
    return bins
