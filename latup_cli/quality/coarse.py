"""Images at about 2 mm around a region: as much as quality checks need, and fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Grid, Shape
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError

Image = npt.NDArray[np.float32]
Region = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

COARSE_MM = 2.0
MARGIN_MM = 12.0
"""What the checks look at around a region."""


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """Images and a region on one coarse grid.

    Attributes:
        images: Name to (i, j, k) float32.
        region: (i, j, k) bool: at least half of what a voxel covers lies in the region; of one
            that is thinner than that everywhere, the voxels that it covers most.
        grid: Where they lie.
    """

    images: Mapping[str, Image]
    region: Region
    grid: Grid

    @property
    def spacing_mm(self) -> Spacing:
        """Along i, j, k."""
        return self.grid.spacing_mm

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        return self.grid.voxel_ml

    def cropped(self, margin_mm: float = 0.0) -> Coarse:
        """The part around the region, as far as it goes.

        Raises:
            ValueError: If the region is empty.
        """
        box = _around(self.region, self.spacing_mm, (1, 1, 1), margin_mm)
        images = {name: image[box.slices] for name, image in self.images.items()}
        return Coarse(images, self.region[box.slices], self.grid.crop(box))


def coarsen(
    images: Mapping[str, Volume],
    region: Mask,
    *,
    margin_mm: float = MARGIN_MM,
    to_mm: float = COARSE_MM,
) -> Coarse:
    """Average blocks of voxels up to about `to_mm`, cropped to a region and a margin.

    Raises:
        GeometryError: If an image does not lie on the region's grid.
        ValueError: If the region is empty.
    """
    if any(not image.grid.matches(region.grid) for image in images.values()):
        raise GeometryError("The images and the mask do not lie on one grid.")
    spacing = region.grid.spacing_mm
    i, j, k = (max(1, round(to_mm / mm)) for mm in spacing)
    box = _around(region.data, spacing, (i, j, k), margin_mm)
    small = {n: block_means(image.data[box.slices], (i, j, k)) for n, image in images.items()}
    covered = block_means(region.data[box.slices], (i, j, k))
    inside = covered >= min(0.5, float(covered.max()))
    grid = region.grid.crop(box)
    return Coarse(small, inside, grid.respaced((spacing[0] * i, spacing[1] * j, spacing[2] * k)))


def block_means(array: npt.NDArray[np.generic], steps: Shape) -> Image:
    """Means of blocks of (i, j, k) voxels; incomplete blocks at the far faces are means too.

    Axes are shortened in the order in which they lie in memory, the outermost first: whole rows
    are added, and the axis whose neighbors must be picked one by one comes when little is left.
    """
    means: npt.NDArray[np.generic] = array
    for axis in sorted(range(3), key=lambda axis: -abs(array.strides[axis])):
        means = _along(means, axis, steps[axis])
    return np.ascontiguousarray(means, dtype=np.float32)


def ranks(values: npt.NDArray[np.floating]) -> Image:
    """Share of values that are lower, equals counted by half: (n,) in [0, 1]."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: values.size])
    stops = np.append(starts[1:], values.size)
    out = np.empty(values.size, dtype=np.float32)
    out[order] = np.repeat((starts + stops) / (2.0 * max(1, values.size)), stops - starts)
    return out


def _along(array: npt.NDArray[np.generic], axis: int, step: int) -> npt.NDArray[np.generic]:
    """Means of `step` neighbors along an axis, summed in float32."""
    if step == 1:
        return array
    rows = np.moveaxis(array, axis, 0)
    total: Image = rows[::step].astype(np.float32)
    for start in range(1, step):
        part = rows[start::step]
        shorter = total[: len(part)]
        np.add(shorter, part, out=shorter)
    counts = np.minimum(step, len(rows) - np.arange(0, len(rows), step)).astype(np.float32)
    total /= counts[:, None, None]
    return np.moveaxis(total, 0, axis)


def _around(region: Region, spacing_mm: Spacing, steps: Shape, margin_mm: float) -> Box:
    """A region's box, wider by whole blocks, so that a margin moves no block."""
    tight = Box.around(region)
    if 0 in tight.shape:
        raise ValueError("an empty region has nothing to judge")
    starts, stops = [], []
    for axis, (mm, step) in enumerate(zip(spacing_mm, steps, strict=True)):
        blocks = round(margin_mm / (mm * step))
        starts.append(tight.start[axis] - step * min(blocks, tight.start[axis] // step))
        stops.append(min(region.shape[axis], tight.stop[axis] + step * blocks))
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
