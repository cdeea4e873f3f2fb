"""A small head in two contrasts, drawn analytically wherever it lies and however it is sampled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import Points, RigidTransform
from latup_cli.domain.volume import Volume

# center, radii in mm, level in the one contrast and in the other; later ones lie on top
_PARTS = (
    ((0, 0, 0), (62, 76, 58), 500, 350),
    ((0, 12, 8), (44, 48, 36), 800, 250),
    ((-11, 8, 6), (7, 26, 12), 120, 900),
    ((12, 2, 10), (8, 20, 9), 120, 900),
    ((28, -32, -20), (18, 14, 12), 620, 480),
    ((-30, 34, 22), (14, 11, 12), 900, 620),
    ((-26, -40, 16), (10, 16, 9), 260, 760),
    ((24, 44, -14), (9, 8, 15), 200, 150),
    ((4, -52, -30), (24, 12, 12), 650, 300),
)
CONTRASTS = {"t1ce": 2, "t2": 3}


def head(grid: Grid, contrast: str = "t1ce", motion: RigidTransform | None = None) -> Volume:
    """The head after a motion, sampled at the voxel centers; 0 outside, with folds in it."""
    places = _places(grid)
    if motion is not None:
        places = motion.inverse().apply(places)
    data = np.zeros(len(places))
    for part in _PARTS:
        share = _inside(places, np.array(part[0]), np.array(part[1]))
        data = data * (1.0 - share) + float(part[CONTRASTS[contrast]]) * share
    waves = sum(np.cos(places[:, axis] / wave) for axis, wave in enumerate((5.0, 6.0, 4.0)))
    data *= 1.0 + 0.05 * waves
    data[data < 1.0] = 0.0
    return Volume(data.reshape(grid.shape).astype(np.float32), grid)


def head_points() -> Points:
    """(n, 3) places in the unmoved head in RAS+ mm."""
    center, radii = np.array(_PARTS[0][0]), np.array(_PARTS[0][1])
    cube = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), axis=-1).reshape(-1, 3)
    return center + cube[np.linalg.norm(cube, axis=1) <= 1.0] * radii


def scan_grid(
    spacing_mm: tuple[float, float, float], axes: npt.NDArray[np.float64], half_mm: float = 92.0
) -> Grid:
    """A lattice about the origin that covers the head wherever it is turned."""
    i, j, k = (int(np.ceil(2.0 * half_mm / mm)) for mm in spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = -affine[:3, :3] @ (np.array([i, j, k]) - 1.0) / 2.0
    return Grid((i, j, k), affine)


def _places(grid: Grid) -> Points:
    index = np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3)
    affine = grid.ras_from_voxel
    places: Points = index @ affine[:3, :3].T + affine[:3, 3]
    return places


def _inside(places: Points, center: Points, radii: Points) -> npt.NDArray[np.float64]:
    """1 inside an ellipsoid, 0 outside, and a ramp at its edge."""
    away = np.linalg.norm((places - center) / radii, axis=1)
    share: npt.NDArray[np.float64] = np.clip(0.5 - (away - 1.0) * radii.min() / 2.0, 0.0, 1.0)
    return share
