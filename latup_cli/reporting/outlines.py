"""Draw the rims of tissues at the resolution of a picture, thin and smooth."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

_Name = TypeVar("_Name", bound=Hashable)

_FINER = 4  # drawn at this many times the resolution and averaged, which smooths the steps


def outlines(
    tissues: Mapping[_Name, npt.NDArray[np.bool_]], size: tuple[int, int], *, width: float
) -> dict[_Name, npt.NDArray[np.float32]]:
    """How much of each pixel is covered by each tissue's rim, which lies inside the tissue.

    Masks are interpolated and the strongest tissue wins, so that neighbors share one smooth
    border and their rims lie side by side. A single voxel stays visible at any size.

    Args:
        tissues: Tissue to (rows, columns) bool, nowhere two at once.
        size: Pixels across and down of the picture.
        width: Of the line in pixels.

    Returns:
        Tissue to (down, across) float32 in [0, 1].
    """
    rims = {tissue: np.zeros((size[1], size[0]), np.float32) for tissue in tissues}
    somewhere = np.logical_or.reduce(list(tissues.values()))
    if not somewhere.any():
        return rims
    part = _part(somewhere, size)
    fields = [_enlarged(mask, part, size) for mask in (~somewhere, *tissues.values())]
    winner = np.argmax(fields, axis=0)
    for number, tissue in enumerate(tissues, start=1):
        rims[tissue][part] = _averaged(_rim(winner == number, round(width * _FINER)))
    return rims


def _part(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the picture that a mask reaches, with a voxel to spare."""
    slices = []
    for axis, pixels in enumerate(reversed(size)):
        inside = np.flatnonzero(mask.any(axis=1 - axis))
        pixels_per_voxel = pixels / mask.shape[axis]
        first = int((int(inside[0]) - 1) * pixels_per_voxel)
        last = int(np.ceil((int(inside[-1]) + 2) * pixels_per_voxel))
        slices.append(slice(max(first, 0), min(last, pixels)))
    return slices[0], slices[1]


def _enlarged(
    mask: npt.NDArray[np.bool_], part: tuple[slice, slice], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """A part of the enlarged mask, smooth, at `_FINER` times the picture's resolution."""
    down, across = part
    fine = ((across.stop - across.start) * _FINER, (down.stop - down.start) * _FINER)
    voxels_per_pixel = np.array([mask.shape[1] / size[0], mask.shape[0] / size[1]] * 2)
    box = voxels_per_pixel * (across.start, down.start, across.stop, down.stop)
    box[2:] = np.minimum(box[2:], mask.shape[::-1])
    picture = Image.fromarray(mask.astype(np.float32))
    left, top, right, bottom = box.tolist()
    smooth = picture.resize(fine, Image.Resampling.BICUBIC, (left, top, right, bottom))
    return np.asarray(smooth, dtype=np.float32)


def _rim(mask: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    """Pixels of a mask that are no further than `width` from its border.

    Neighborhoods of four and of eight take turns, so that the line is about as thick in every
    direction. The picture's own edge is no border.
    """
    rim = np.zeros_like(mask)
    inside = np.argwhere(mask)
    if inside.size == 0:
        return rim
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
    region = (slice(max(top - 1, 0), bottom + 1), slice(max(left - 1, 0), right + 1))
    core = mask[region]
    for turn in range(width):
        core = _eroded(core, diagonal=turn % 2 == 1)
    rim[region] = mask[region] & ~core
    return rim


def _eroded(mask: npt.NDArray[np.bool_], *, diagonal: bool) -> npt.NDArray[np.bool_]:
    padded = np.pad(mask, 1, mode="edge")
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    if diagonal:
        return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    columns: npt.NDArray[np.bool_] = padded[1:-1, :-2] & padded[1:-1, 2:]
    return columns & rows[:, 1:-1]


def _averaged(rim: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    down, across = rim.shape
    blocks = rim.reshape(down // _FINER, _FINER, across // _FINER, _FINER)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
