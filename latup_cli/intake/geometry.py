"""Check where images lie: each in itself, and all on one grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import axis_codes
from latup_cli.errors import (
    FlatImageError,
    GridMismatchError,
    NoOrientationError,
    ShearedImageError,
    TooSmallImageError,
)
from latup_cli.imaging.nifti import NiftiImage

SMALLEST_AXIS = 32
"""Voxels that every axis needs; the network halves an axis up to five times."""

ONE_GRID_MM = 0.1
"""Grids that differ by less are one: headers are rounded, and a quaternion rounds otherwise."""

QFORM_GAP_MM = 1.0
"""A larger disagreement between qform and sform is worth a warning."""

SPACING_MM = (0.05, 20.0)
"""Voxel sizes beyond this range are not millimetres of a head."""


FARTHEST_MM = 10_000.0
"""No voxel lies farther from the scanner's origin; beyond, single precision spoils a place."""


def check_affine(path: Path, image: NiftiImage) -> None:
    """Refuse an image that does not say where it lies, or says so in a way that cannot be.

    Raises:
        NoOrientationError: If neither sform nor qform is set.
        FlatImageError: If the voxels have an absurd size, or lie absurdly far away.
        ShearedImageError: If the axes do not meet at right angles.
    """
    if image.codes.sform <= 0 and image.codes.qform <= 0:
        raise NoOrientationError(path)
    spacing = image.grid.spacing_mm
    if not SPACING_MM[0] <= min(spacing) <= max(spacing) <= SPACING_MM[1]:
        raise FlatImageError(path, f"its voxels measure {_sizes(spacing)} mm")
    away = float(np.abs(image.grid.corners_ras_mm()).max())
    if away > FARTHEST_MM:
        raise FlatImageError(path, f"it lies {away / 1000:.3g} m from the scanner's origin")
    if not image.grid.is_orthogonal:
        raise ShearedImageError(path, _degrees_off_square(image.grid))


def check_size(path: Path, grid: Grid) -> None:
    """Refuse an image that is too small for the network.

    Raises:
        TooSmallImageError: If an axis has fewer than `SMALLEST_AXIS` voxels.
    """
    if min(grid.shape) < SMALLEST_AXIS:
        raise TooSmallImageError(path, grid.shape, SMALLEST_AXIS)


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


def placement_warning(path: Path, image: NiftiImage) -> str | None:
    """What to say about a header whose two affines disagree, if they do."""
    if image.qform_gap_mm <= QFORM_GAP_MM:
        return None
    if math.isinf(image.qform_gap_mm):
        return f"{path}: the qform is invalid; the sform is used."
    return f"{path}: qform and sform lie {image.qform_gap_mm:.1f} mm apart; the sform is used."


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


def _degrees_off_square(grid: Grid) -> float:
    axes = grid.ras_from_voxel[:3, :3] / grid.spacing_mm
    cosines = np.abs(axes.T @ axes - np.eye(3))
    return math.degrees(math.asin(min(1.0, float(cosines.max()))))


def _counts(grid: Grid) -> str:
    return " x ".join(map(str, grid.shape))


def _sizes(spacing_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.3g}" for size in spacing_mm)
