"""Is the scan fine enough? Slice thickness and anisotropy of what came from the scanner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from latup_cli.domain.finding import Finding
from latup_cli.domain.grid import Grid
from latup_cli.quality import limits


def check_acquisition(grids: Mapping[str, Grid]) -> tuple[Finding, ...]:
    """Judge the voxels of each modality as it was scanned, before any resampling.

    Args:
        grids: Modality to the grid of its file.
    """
    return tuple(finding for name, grid in grids.items() for finding in _judged(name, grid))


def _judged(modality: str, grid: Grid) -> Iterator[Finding]:
    finest, middle, thickest = sorted(grid.spacing_mm)
    yield limits.THICKNESS.finding(
        modality, thickest, f"The slices of {modality} lie {thickest:.1f} mm apart."
    )
    yield limits.IN_PLANE.finding(
        modality, middle, f"In its slices, {modality} has pixels of {middle:.1f} mm."
    )
    yield limits.ANISOTROPY.finding(
        modality,
        thickest / finest,
        f"Voxels of {modality} are {thickest / finest:.1f} times as long as they are wide.",
    )
