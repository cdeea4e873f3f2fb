"""Put the slices of a DICOM series in order, and tell where the stack lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Affine, Grid
from latup_cli.errors import (
    FlatImageError,
    GeometryError,
    MissingSlicesError,
    MixedSeriesError,
    PlacelessSeriesError,
    RepeatedSlicesError,
    SingleSliceError,
    UnevenSlicesError,
)
from latup_cli.imaging.dicom import Frame

SAME_PLACE_MM = 0.01
"""Slices nearer than this show one place; positions are written with at least two decimals."""

UNEVEN = 0.05
"""A step between slices may differ from the median by this share; rounding stays far below."""

_PARALLEL = 1e-3  # direction cosine; scanners write six digits
_SAME_SPACING = 1e-3  # of a voxel
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices of one volume, in the order of their position along their common normal.

    Attributes:
        frames: All of one orientation, size and spacing; at least two.
        grid: Where they lie: i along a row of the picture, j down a column, k along the stack.
    """

    frames: tuple[Frame, ...]
    grid: Grid

    @property
    def files(self) -> tuple[Path, ...]:
        """The files in slice order, each once."""
        return tuple(dict.fromkeys(frame.path for frame in self.frames))


def by_kind(frames: Iterable[Frame]) -> list[list[Frame]]:
    """The volumes of a series apart: echoes, times, b-values, magnitude and phase.

    Returns:
        Lists of frames, in an order that depends on neither names nor order of the files.
    """
    kinds: dict[tuple[str, ...], list[Frame]] = {}
    for frame in frames:
        kinds.setdefault(frame.kind, []).append(frame)
    return [kinds[kind] for kind in sorted(kinds)]


def stacked(name: Path, frames: Sequence[Frame]) -> Stack:
    """Sort the frames of one volume along their normal and place them.

    The place of voxel (i, j) of a slice is that of DICOM PS3.3, C.7.6.2.1.1; the step from
    slice to slice is taken from the positions, never from the slice thickness. A tilted gantry
    gives a sheared grid.

    Args:
        name: What the person should see.
        frames: In any order.

    Raises:
        PlacelessSeriesError: If position, orientation or spacing is missing.
        MixedSeriesError: If orientation, size or spacing differ.
        SingleSliceError: If there is only one slice.
        RepeatedSlicesError: If several slices lie at one place.
        MissingSlicesError: If the series has gaps.
        UnevenSlicesError: If distances vary otherwise.
        FlatImageError: If orientation or spacing are no directions and sizes.
    """
    _check_alike(name, frames)
    if len(frames) == 1:
        raise SingleSliceError(name)
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    normal = _normal(name, frames[0])
    heights = positions @ normal
    order = sorted(range(len(frames)), key=lambda n: (heights[n], _tie(frames[n])))
    _check_steps(name, heights[order])
    step = (positions[order[-1]] - positions[order[0]]) / (len(frames) - 1)
    placed = tuple(frames[n] for n in order)
    rows, columns = placed[0].size
    try:
        grid = Grid((columns, rows, len(placed)), _ras_from_voxel(placed[0], step))
    except GeometryError as error:
        raise FlatImageError(name, str(error).rstrip(".")) from None
    return Stack(placed, grid)


def _tie(frame: Frame) -> tuple[str, int]:
    return os.fspath(frame.path), frame.number


def _check_alike(name: Path, frames: Sequence[Frame]) -> None:
    for lacking in ("position", "orientation", "spacing_mm"):
        if any(getattr(frame, lacking) is None for frame in frames):
            raise PlacelessSeriesError(name, lacking.removesuffix("_mm"))
    cosines = np.array([frame.orientation for frame in frames])
    if np.abs(cosines - cosines[0]).max() > _PARALLEL:
        raise MixedSeriesError(name, "orientations")
    if len({frame.size for frame in frames}) > 1:
        raise MixedSeriesError(name, "sizes")
    spacings = np.array([frame.spacing_mm for frame in frames])
    if np.abs(spacings / spacings[0] - 1).max(initial=0.0) > _SAME_SPACING:
        raise MixedSeriesError(name, "pixel spacings")


def _normal(name: Path, frame: Frame) -> npt.NDArray[np.float64]:
    row, column = np.array(frame.orientation, dtype=np.float64)
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    if length == 0.0:
        raise FlatImageError(name, "rows and columns run in one direction")
    return np.asarray(normal / length)


def _check_steps(name: Path, heights: npt.NDArray[np.float64]) -> None:
    """Refuse heights, which ascend, that are not evenly spaced."""
    steps = np.diff(heights)
    repeated = int(np.count_nonzero(steps < SAME_PLACE_MM))
    if repeated:
        raise RepeatedSlicesError(name, repeated)
    usual = float(np.median(steps))
    if np.abs(steps - usual).max() <= UNEVEN * usual:
        return
    widths = steps / steps.min()
    missing = int(np.round(widths).sum()) - len(steps)
    if np.abs(widths - np.round(widths)).max() <= UNEVEN * widths.max() and missing:
        raise MissingSlicesError(name, missing)
    raise UnevenSlicesError(name, float(steps.min()), float(steps.max()))


def _ras_from_voxel(frame: Frame, step: npt.NDArray[np.float64]) -> Affine:
    row, column = np.array(frame.orientation, dtype=np.float64)
    between_rows, between_columns = frame.spacing_mm or (0.0, 0.0)
    lps_from_voxel = np.eye(4)
    lps_from_voxel[:3, 0] = row * between_columns
    lps_from_voxel[:3, 1] = column * between_rows
    lps_from_voxel[:3, 2] = step
    lps_from_voxel[:3, 3] = frame.position or (0.0, 0.0, 0.0)
    return np.asarray(_RAS_FROM_LPS @ lps_from_voxel)
