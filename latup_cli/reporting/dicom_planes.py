"""Lay a label map on the image planes of a DICOM series, by where voxels lie and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from latup_cli.domain.grid import Affine, Grid
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import SegmentationSourceError

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TOLERANCE = 0.1  # of a voxel: positions are rounded, and readers even out slice distances


@dataclass(frozen=True, slots=True, eq=False)
class ImagePlane:
    """One frame of a series.

    Attributes:
        ras_from_pixel: (4, 4) float64: column, row (both from 0) and 0 to RAS+ mm. The third
            column is the normal of the plane.
        columns: Pixels along a row.
        rows: Pixels along a column.
    """

    ras_from_pixel: Affine
    columns: int
    rows: int


def image_planes(sources: Sequence[Dataset]) -> list[ImagePlane]:
    """Where the frames of a series lie, in the order of the images and their frames.

    The place of a pixel is that of DICOM PS3.3, C.7.6.2.1.1.

    Args:
        sources: Classic images, one frame each, or one enhanced multi-frame image.

    Raises:
        SegmentationSourceError: If an image does not say where it lies.
    """
    try:
        return [plane for source in sources for plane in _planes_of(source)]
    except (AttributeError, IndexError, TypeError, ValueError):
        problem = "one of its images does not say where it lies"
        raise SegmentationSourceError(problem) from None


def labels_on_planes(labels: LabelMap, planes: Sequence[ImagePlane]) -> npt.NDArray[np.uint8]:
    """The part of a label map that every plane shows.

    Args:
        labels: On the grid of the series, in any axis order.
        planes: All frames of the series, in any order.

    Returns:
        (planes, rows, columns) in the numbers of the label map's scheme.

    Raises:
        SegmentationSourceError: If a plane's pixels are not voxels of the label map, or the
            planes do not show every voxel exactly once.
    """
    found = [_slice_of(labels.grid, plane) for plane in planes]
    axes = {(place.normal, place.across, place.down) for place in found}
    if len(axes) != 1:
        raise SegmentationSourceError("its images do not lie in parallel")
    slices = labels.grid.shape[found[0].normal]
    if sorted(place.index for place in found) != list(range(slices)):
        problem = f"its {len(planes)} images are not the {slices} slices of the label map"
        raise SegmentationSourceError(problem)
    return np.stack([place.cut(labels.data) for place in found])


@dataclass(frozen=True, slots=True)
class _Slice:
    """Which slice of an array a plane is, and how it is turned."""

    normal: int
    across: int
    down: int
    flips: tuple[int, int]  # steps along down and across, 1 or -1
    index: int

    def cut(self, array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        turned = array.transpose(self.normal, self.down, self.across)
        return turned[self.index, :: self.flips[0], :: self.flips[1]]


def _planes_of(source: Dataset) -> Iterator[ImagePlane]:
    if "PerFrameFunctionalGroupsSequence" not in source:
        yield _plane(source, source, source, source)
        return
    shared = source.get("SharedFunctionalGroupsSequence", [Dataset()])[0]
    for frame in source.PerFrameFunctionalGroupsSequence:
        position = _group("PlanePositionSequence", frame, shared)
        orientation = _group("PlaneOrientationSequence", frame, shared)
        measures = _group("PixelMeasuresSequence", frame, shared)
        yield _plane(source, position, orientation, measures)


def _group(keyword: str, frame: Dataset, shared: Dataset) -> Dataset:
    items = frame[keyword] if keyword in frame else shared[keyword]
    item: Dataset = items.value[0]
    return item


def _plane(size: Dataset, place: Dataset, turn: Dataset, measures: Dataset) -> ImagePlane:
    cosines = np.array(turn.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = (float(mm) for mm in measures.PixelSpacing)
    lps_from_pixel = np.eye(4)
    lps_from_pixel[:3, 0] = cosines[0] * between_columns
    lps_from_pixel[:3, 1] = cosines[1] * between_rows
    lps_from_pixel[:3, 2] = np.cross(*cosines)
    lps_from_pixel[:3, 3] = np.array(place.ImagePositionPatient, dtype=np.float64)
    if not np.isfinite(lps_from_pixel).all():
        raise ValueError("not a place")
    return ImagePlane(_RAS_FROM_LPS @ lps_from_pixel, int(size.Columns), int(size.Rows))


def _slice_of(grid: Grid, plane: ImagePlane) -> _Slice:
    """Follow the plane's edges through the voxels of the grid."""
    voxel_from_pixel = np.linalg.inv(grid.ras_from_voxel) @ plane.ras_from_pixel
    last = (plane.columns - 1, plane.rows - 1)
    pixels = np.array([(0, 0, 0, 1), (last[0], 0, 0, 1), (0, last[1], 0, 1)])
    corners = (voxel_from_pixel @ pixels.T).T[:, :3]
    start, *ends = np.rint(corners).astype(int)
    steps = np.rint(voxel_from_pixel[:3, :2]).astype(int)  # (3, 2) of across and down
    across, down = (int(axis) for axis in np.abs(steps).argmax(axis=0))
    fits = (
        np.abs(corners - np.rint(corners)).max() <= _TOLERANCE
        and np.array_equal(np.abs(steps).sum(axis=0), (1, 1))
        and across != down
        and all(
            np.array_equal(end - start, step * count)
            for end, step, count in zip(ends, steps.T, last, strict=True)
        )
    )
    if not fits or (plane.columns, plane.rows) != (grid.shape[across], grid.shape[down]):
        raise SegmentationSourceError("its pixels are not the voxels of the label map")
    signs = (int(steps[down, 1]), int(steps[across, 0]))
    normal = 3 - across - down
    place = _Slice(normal, across, down, signs, int(start[normal]))
    if not _starts_at_edge(start, place, grid):
        raise SegmentationSourceError("its images are shifted against the label map")
    return place


def _starts_at_edge(start: npt.NDArray[np.int_], place: _Slice, grid: Grid) -> bool:
    """Whether the first pixel is the corner voxel that the directions of the plane ask for."""
    wanted = [
        0 if step > 0 else grid.shape[axis] - 1
        for axis, step in zip((place.down, place.across), place.flips, strict=True)
    ]
    return [int(start[place.down]), int(start[place.across])] == wanted
