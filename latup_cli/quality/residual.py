"""How far two images are still apart: the shift that fits best, in each of eight blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.quality.coarse import Image, Region, Spacing

BINS = 16
REACH_MM = 10.0
"""Shifts up to this far are tried; what is further apart is found at the far end or at random."""

Shifts = npt.NDArray[np.float64]
_LEAST_VOXELS = 200
_NOTHING = -1
_CURVED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two images of which one is held still, both in equally filled bins.

    Attributes:
        fixed: (n,) bin of each voxel of the region.
        moving: (i, j, k) bin of every voxel; -1 where the image is 0 and shows nothing.
        places: (3, n) indices of the voxels of the region.
        block: (n,) which of the eight blocks a voxel belongs to.
        spacing_mm: Along i, j, k.
    """

    fixed: npt.NDArray[np.intp]
    moving: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]
    block: npt.NDArray[np.intp]
    spacing_mm: Spacing


def pair(fixed: Image, moving: Image, region: Region, spacing_mm: Spacing) -> Pair:
    """Bring two (i, j, k) images into bins that the region's voxels fill equally."""
    places = np.stack(np.nonzero(region))
    middle = np.median(places, axis=1, keepdims=True)
    block = ((places > middle) * [[4], [2], [1]]).sum(axis=0)
    shown = moving[region & (moving != 0)]
    binned = _bins(moving.ravel(), shown).reshape(moving.shape)
    # the rim of a stripped image would answer to any shift, for beyond it there is nothing
    binned[moving == 0] = _NOTHING
    return Pair(_bins(fixed[region], fixed[region]), binned, places, block, spacing_mm)


def mutual_information(pair: Pair) -> float:
    """2 I / (H1 + H2) in the region: 0 if independent, 1 if each determines the other.

    The symmetric uncertainty coefficient (Press et al., Numerical Recipes, "Contingency Table
    Analysis Based on Entropy"), over bins that are filled equally.
    """
    together = _tables(pair, (0, 0, 0)).sum(axis=0)
    alone = _entropy(together.sum(axis=0)) + _entropy(together.sum(axis=1))
    return 2.0 * (alone - _entropy(together.ravel())) / alone if alone > 0.0 else 0.0


def residual_mm(pair: Pair) -> float:
    """Median over the eight blocks of how far the best shift lies from none, in mm.

    A motion that is left over shifts every block: all alike, or each its own way if it is a
    turn. Along each axis, the peak of mutual information over shifts, by a parabola.
    """
    usable = np.bincount(pair.block, minlength=8) >= _LEAST_VOXELS
    if not usable.any():
        return float("nan")
    shifts = np.stack([_best_along(pair, axis) for axis in range(3)], axis=1)
    return float(np.median(np.linalg.norm(shifts[usable], axis=1)))


def _best_along(pair: Pair, axis: int) -> Shifts:
    """(8,) best shift of each block along one axis, in mm."""
    step = pair.spacing_mm[axis]
    most = max(1, int(REACH_MM / step))
    offsets = range(-most, most + 1)
    scores = np.stack([_information(pair, _along(axis, offset)) for offset in offsets])
    return np.array([_peak(curve) - most for curve in scores.T]) * step


def _along(axis: int, offset: int) -> tuple[int, int, int]:
    i, j, k = (offset if axis == other else 0 for other in range(3))
    return i, j, k


def _peak(curve: Shifts) -> float:
    """Where a sampled curve is highest, between its samples where it is curved there."""
    top = int(np.argmax(curve))
    if not 0 < top < curve.size - 1:
        return float(top)
    before, at, after = curve[top - 1 : top + 2]
    bend = before - 2.0 * at + after
    return top + (0.5 * (before - after) / bend if bend < -_CURVED else 0.0)


def _information(pair: Pair, offset: tuple[int, int, int]) -> Shifts:
    """(8,) mutual information of each block where `moving` is read `offset` voxels further on."""
    tables = _tables(pair, offset)
    alone = _entropies(tables.sum(axis=1)) + _entropies(tables.sum(axis=2))
    return alone - _entropies(tables.reshape(8, -1))


def _tables(pair: Pair, offset: tuple[int, int, int]) -> Shifts:
    """(8, bins, bins) how often bins meet, for each block; what leaves the image is left out."""
    moved = pair.places + np.array(offset)[:, None]
    shape = np.array(pair.moving.shape)[:, None]
    seen = ((moved >= 0) & (moved < shape)).all(axis=0)
    seen[seen] = pair.moving[tuple(moved[:, seen])] != _NOTHING
    other = pair.moving[tuple(moved[:, seen])]
    cell = (pair.block[seen] * BINS + pair.fixed[seen]) * BINS + other
    counts = np.bincount(cell, minlength=8 * BINS * BINS)
    return counts.reshape(8, BINS, BINS).astype(np.float64)


def _entropies(tables: Shifts) -> Shifts:
    return np.array([_entropy(table) for table in tables])


def _entropy(counts: Shifts) -> float:
    """In nats."""
    shares = counts[counts > 0] / max(1.0, counts.sum())
    return float(-(shares * np.log(shares)).sum())


def _bins(values: Image, like: Image) -> npt.NDArray[np.intp]:
    if like.size == 0:
        return np.zeros(values.shape, dtype=np.intp)
    edges = np.unique(np.quantile(like, np.arange(1, BINS) / BINS))
    return np.searchsorted(edges, values, side="right").astype(np.intp)
