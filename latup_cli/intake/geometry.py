"""Check where an image lies, and how large it is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from latup_cli.domain.grid import Grid
from latup_cli.errors import (
    FlatImageError,
    NoOrientationError,
    ShearedImageError,
    SlabError,
    TooSmallImageError,
)
from latup_cli.imaging.nifti import NiftiImage

SMALLEST_AXIS = 32
"""Voxels that every axis needs; the network halves an axis up to five times."""

FEWEST_SLICES = 12
"""Slices that a series as scanned needs: 64 mm of a head at 5.5 mm."""

SHORTEST_EXTENT_MM = 64.0
"""What a series as scanned has to show along every axis to hold most of a brain."""

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
    """Refuse a stripped, registered image that is too small for the network.

    Raises:
        TooSmallImageError: If an axis has fewer than `SMALLEST_AXIS` voxels.
    """
    if min(grid.shape) < SMALLEST_AXIS:
        raise TooSmallImageError(path, grid.shape, SMALLEST_AXIS)


def check_slices(path: Path, grid: Grid) -> None:
    """Refuse an image as scanned, in slices however thick, that has too few of them.

    Raises:
        TooSmallImageError: If an axis has fewer than `FEWEST_SLICES` voxels.
    """
    if min(grid.shape) < FEWEST_SLICES:
        raise TooSmallImageError(path, grid.shape, FEWEST_SLICES)


def check_extent(path: Path, grid: Grid) -> None:
    """Refuse a head of which too little is shown.

    Raises:
        SlabError: If an axis is shorter than `SHORTEST_EXTENT_MM`.
    """
    if min(_extents_mm(grid)) < SHORTEST_EXTENT_MM:
        raise SlabError(path, min(_extents_mm(grid)), SHORTEST_EXTENT_MM)


def holds_a_head(grid: Grid) -> bool:
    """Whether a series is large enough to be prepared."""
    return min(grid.shape) >= FEWEST_SLICES and min(_extents_mm(grid)) >= SHORTEST_EXTENT_MM


def _extents_mm(grid: Grid) -> list[float]:
    return [count * size for count, size in zip(grid.shape, grid.spacing_mm, strict=True)]


def placement_warning(path: Path, image: NiftiImage) -> str | None:
    """What to say about a header whose two affines disagree, if they do."""
    if image.qform_gap_mm <= QFORM_GAP_MM:
        return None
    if math.isinf(image.qform_gap_mm):
        return f"{path}: the qform is invalid; the sform is used."
    return f"{path}: qform and sform lie {image.qform_gap_mm:.1f} mm apart; the sform is used."


def _degrees_off_square(grid: Grid) -> float:
    axes = grid.ras_from_voxel[:3, :3] / grid.spacing_mm
    cosines = np.abs(axes.T @ axes - np.eye(3))
    return math.degrees(math.asin(min(1.0, float(cosines.max()))))


def _sizes(spacing_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.3g}" for size in spacing_mm)
