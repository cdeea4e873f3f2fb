"""Cut the slices of a picture: through the tumor, turned the way radiologists look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.orientation import Reorientation, reorientation
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.errors import GeometryError
from latup_cli.labels import Tissue

_ORDER = "LPS"  # an axial slice then runs as on a light box, without a flip
_MARGIN_MM = 3.0
_WINDOW_PERCENTILES = (1.0, 99.5)


@dataclass(frozen=True, slots=True)
class Plane:
    """One of the three directions of cutting, in the axes left, posterior, superior.

    Attributes:
        name: In words.
        normal: The axis that is cut.
        across: The axis that runs to the right of the picture.
        down: The axis that runs along the picture's columns.
        upward: Whether that axis points up instead of down.
        edges: Directions at the left, right, top and bottom edge.
    """

    name: str
    normal: int
    across: int
    down: int
    upward: bool
    edges: str

    def sums(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Voxels of a mask in each slice, (slices,)."""
        return np.asarray(mask.sum(axis=(self.across, self.down)), dtype=np.int64)


PLANES = (
    Plane("axial", normal=2, across=0, down=1, upward=False, edges="RLAP"),
    Plane("coronal", normal=1, across=0, down=2, upward=True, edges="RLSI"),
    Plane("sagittal", normal=0, across=1, down=2, upward=True, edges="APSI"),
)
"""Radiological convention: the patient's right is at the left of axial and coronal pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The part of a study that a preview shows, its axes pointing left, posterior, superior.

    Attributes:
        images: Modality to (i, j, k) float32 in scanner units.
        windows: Modality to the intensities that are shown black and white.
        tissues: Tissue to (i, j, k) bool.
        brain: (i, j, k) bool.
        grid: Where they lie.
    """

    images: Mapping[str, npt.NDArray[np.float32]]
    windows: Mapping[str, tuple[float, float]]
    tissues: Mapping[Tissue, npt.NDArray[np.bool_]]
    brain: npt.NDArray[np.bool_]
    grid: Grid

    def richest_slice(self, plane: Plane) -> int:
        """The slice with most whole tumor; without a tumor, the one through the brain's center."""
        areas = sum(plane.sums(mask) for mask in self.tissues.values())
        if np.any(areas):
            return int(np.argmax(areas))
        weights = plane.sums(self.brain)
        return round(float(np.average(np.arange(weights.size), weights=weights)))

    def gray(self, modality: str, plane: Plane, index: int) -> npt.NDArray[np.float32]:
        """A slice of an image, (rows, columns) in [0, 1]; where the skull was removed, 0."""
        low, high = self.windows[modality]
        values = np.asarray(_cut(self.images[modality], plane, index), dtype=np.float32)
        removed = (values == 0) & ~_cut(self.brain, plane, index).astype(bool)
        shown = np.clip((values - low) / (high - low), 0.0, 1.0)
        return np.where(removed, 0.0, shown).astype(np.float32)

    def mask(self, tissue: Tissue, plane: Plane, index: int) -> npt.NDArray[np.bool_]:
        """A slice of a tissue, (rows, columns)."""
        return _cut(self.tissues[tissue], plane, index).astype(bool)

    def inside(self, plane: Plane, index: int) -> npt.NDArray[np.bool_]:
        """A slice of the brain, (rows, columns)."""
        return _cut(self.brain, plane, index).astype(bool)

    def size_mm(self, plane: Plane) -> tuple[float, float]:
        """Width and height of a slice."""
        shape, spacing = self.grid.shape, self.grid.spacing_mm
        width, height = plane.across, plane.down
        return shape[width] * spacing[width], shape[height] * spacing[height]

    def place(self, plane: Plane, index: int) -> str:
        """Where a slice lies in RAS+ scanner coordinates, such as "z = -24 mm".

        A signed coordinate rather than a side: the origin of a file may lie outside the head,
        and then "left of the origin" says nothing about the hemisphere.
        """
        center = (np.array(self.grid.shape) - 1.0) / 2.0
        center[plane.normal] = index
        affine = self.grid.ras_from_voxel
        along = float((affine[:3, :3] @ center + affine[:3, 3])[plane.normal])
        return f"{'xyz'[plane.normal]} = {round(along)} mm"


def scene(
    images: Mapping[str, Volume],
    labels: LabelMap | None,
    brain: Mask,
    *,
    margin_mm: float = _MARGIN_MM,
) -> Scene:
    """Turn, crop to the brain and the tumor with a margin, and choose intensity windows.

    Args:
        images: Modality to an image on the grid of `brain`.
        labels: The segmentation, if there is one, on the same grid.
        brain: The brain.
        margin_mm: How much is shown around them.

    Raises:
        GeometryError: If they do not lie on one grid.
        ValueError: If the brain is empty.
    """
    grids = [image.grid for image in images.values()] + ([labels.grid] if labels else [])
    if any(not grid.matches(brain.grid) for grid in grids):
        raise GeometryError("Images, label map and brain mask do not lie on one grid.")
    if not brain.data.any():
        raise ValueError("an empty brain mask leaves nothing to show")
    turn = reorientation(brain.grid, _ORDER)
    grid = turn.grid(brain.grid)
    tissues = {tissue: labels.tissue(tissue).data for tissue in Tissue} if labels else {}
    shown = np.logical_or.reduce([brain.data, *tissues.values()])
    box = _box_around(_turned(turn, shown), grid, margin_mm)
    turned = {name: turn.apply(image.data)[box.slices] for name, image in images.items()}
    return Scene(
        {name: np.asarray(data, dtype=np.float32) for name, data in turned.items()},
        {name: _window(image.data[brain.data]) for name, image in images.items()},
        {tissue: _turned(turn, mask)[box.slices] for tissue, mask in tissues.items()},
        _turned(turn, brain.data)[box.slices],
        grid.crop(box),
    )


def _turned(turn: Reorientation, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(turn.apply(mask), dtype=np.bool_)


def _cut(array: npt.NDArray[np.generic], plane: Plane, index: int) -> npt.NDArray[np.generic]:
    """A slice of an (L, P, S) array as (rows, columns) of a picture."""
    slices = array.transpose(plane.normal, plane.down, plane.across)
    step = -1 if plane.upward else 1
    return slices[index, ::step]


def _window(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Robust limits of intensities; never equal, so that a flat image can be shown."""
    low, high = (float(limit) for limit in np.percentile(values, _WINDOW_PERCENTILES))
    return low, (high if high > low else low + 1.0)


def _box_around(mask: npt.NDArray[np.bool_], grid: Grid, margin_mm: float) -> Box:
    """The mask's bounding box with a margin, cut at the edges of the grid."""
    starts, stops = [], []
    for plane in sorted(PLANES, key=lambda plane: plane.normal):
        axis = plane.normal
        inside = np.flatnonzero(plane.sums(mask))
        margin = int(np.ceil(margin_mm / grid.spacing_mm[axis]))
        starts.append(max(0, int(inside[0]) - margin))
        stops.append(min(grid.shape[axis], int(inside[-1]) + 1 + margin))
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
