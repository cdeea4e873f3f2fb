"""Bring a prediction into the axis order of its reference, without resampling."""

from __future__ import annotations

import numpy as np

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import Reorientation, axis_codes, reorientation
from latup_cli.errors import CaseGridError

ONE_GRID_MM = 0.1
"""Grids that differ by less are one: headers are rounded, and a quaternion rounds otherwise."""

_SAME_SPACING = 1e-3


def turn_onto(case: str, prediction: Grid, reference: Grid) -> Reorientation:
    """The permutation and flips that bring a prediction's array to its reference's.

    Args:
        case: Its name, for the message.
        prediction: Where the prediction's voxels lie.
        reference: Where the reference's voxels lie.

    Raises:
        CaseGridError: If they do not lie at the same places, whatever the axis order.
    """
    turn = reorientation(prediction, axis_codes(reference))
    turned = turn.grid(prediction)
    if not turned.matches(reference, tolerance_mm=ONE_GRID_MM):
        raise CaseGridError(case, _difference(turned, reference))
    return turn


def _difference(prediction: Grid, reference: Grid) -> str:
    """The most telling difference of two grids in one axis order."""
    if prediction.shape != reference.shape:
        return f"{_product(prediction.shape)} voxels, not {_product(reference.shape)}"
    if not np.allclose(prediction.spacing_mm, reference.spacing_mm, rtol=_SAME_SPACING):
        ours, theirs = _product(prediction.spacing_mm), _product(reference.spacing_mm)
        return f"voxels of {ours} mm, not {theirs} mm"
    gaps = np.linalg.norm(prediction.corners_ras_mm() - reference.corners_ras_mm(), axis=1)
    return f"of one size, but up to {gaps.max():.1f} mm apart"


def _product(sizes: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
