"""A made-up brain with CSF, gray and white matter and vessels, for the quality checks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy import ndimage

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality.coarse import Coarse, coarsen

SHAPE = (60, 64, 56)
SPACING_MM = (2.5, 2.5, 3.0)
GRID = Grid(SHAPE, np.diag([-2.5, -2.5, 3.0, 1.0]))

_RADII_MM = (58.0, 66.0, 58.0)
_LEVELS = {
    # CSF, gray matter, white matter, vessels
    "t1": (20, 60, 90, 60),
    "t1ce": (20, 64, 90, 190),
    "t2": (200, 110, 80, 60),
    "flair": (22, 115, 90, 60),
}


@cache
def brain() -> Mask:
    """An ellipsoid of about 900 mL in the middle of the grid."""
    return Mask(_away() < 1.0, GRID)


@cache
def images(*, seed: int = 1) -> dict[str, Volume]:
    """Four contrasts of one anatomy, 0 outside the brain; another seed is another patient."""
    generator = np.random.default_rng(seed)
    folds = ndimage.gaussian_filter(generator.normal(size=SHAPE), 2.0)
    folds /= folds.std()
    tissue = np.select([folds > 1.4, folds > 0.2], [0, 1], 2)
    vessels = ndimage.gaussian_filter(generator.normal(size=SHAPE), 1.0)
    tissue = np.where(vessels > np.quantile(vessels, 0.99), 3, tissue)
    out = {}
    for name, levels in _LEVELS.items():
        clean = ndimage.gaussian_filter(np.array(levels, dtype=float)[tissue], 0.5)
        noisy = clean + generator.normal(scale=3.0, size=SHAPE)
        data = np.where(brain().data, noisy.clip(1.0), 0.0)
        out[name] = Volume(data.astype(np.float32), GRID)
    return out


def around(study: Mapping[str, Volume], mask: Mask | None = None) -> Coarse:
    """A study as the checks see it, around its brain or another mask."""
    return coarsen(study, brain() if mask is None else mask)


def changed(volume: Volume, data: np.ndarray) -> Volume:
    """Other voxels on the same grid."""
    return Volume(np.ascontiguousarray(data, dtype=np.float32), volume.grid)


def shifted(volume: Volume, shift_mm: tuple[float, float, float]) -> Volume:
    """The image moved along its axes, linearly; 0 where nothing was."""
    voxels = np.divide(shift_mm, SPACING_MM)
    return changed(volume, ndimage.shift(volume.data, voxels, order=1))


def _away() -> np.ndarray:
    middle = [(n - 1) / 2 for n in SHAPE]
    offsets = zip(np.indices(SHAPE), middle, SPACING_MM, _RADII_MM, strict=True)
    return np.asarray(sum(((i - c) * mm / r) ** 2 for i, c, mm, r in offsets))
