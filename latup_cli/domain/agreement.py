"""Whether images lie on one grid, and in words how one that does not is different."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.study import ONE_GRID_MM
from latup_cli.errors import GridMismatchError


def shared_grid(grids: Mapping[Path, Grid]) -> Grid:
    """The one grid of all images: the one that most lie on, the first among equals.

    Args:
        grids: File, as the person should see it, to its grid; at least one.

    Raises:
        GridMismatchError: If an image does not lie on it; the message says how it differs.
    """
    reference = max(grids, key=lambda path: _followers(grids[path], grids))
    for path, grid in grids.items():
        if not grid.matches(grids[reference], tolerance_mm=ONE_GRID_MM):
            raise GridMismatchError(path, reference, _difference(grid, grids[reference]))
    return grids[reference]


def _followers(grid: Grid, grids: Mapping[Path, Grid]) -> int:
    return sum(grid.matches(other, tolerance_mm=ONE_GRID_MM) for other in grids.values())


def _difference(grid: Grid, reference: Grid) -> str:
    """The most telling of the ways in which two grids differ."""
    if grid.shape != reference.shape:
        return f"{_counts(grid)} voxels, not {_counts(reference)}"
    if axis_codes(grid) != axis_codes(reference):
        return f"its axes run {axis_codes(grid)}, not {axis_codes(reference)}"
    if not np.allclose(grid.spacing_mm, reference.spacing_mm, rtol=1e-3):
        return f"voxels of {_sizes(grid.spacing_mm)} mm, not {_sizes(reference.spacing_mm)} mm"
    gaps = np.linalg.norm(grid.corners_ras_mm() - reference.corners_ras_mm(), axis=1)
    return f"same size, but it lies up to {gaps.max():.1f} mm away"


def _counts(grid: Grid) -> str:
    return " x ".join(map(str, grid.shape))


def _sizes(spacing_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.3g}" for size in spacing_mm)
