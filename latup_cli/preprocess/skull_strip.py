"""Find the brain in a whole head with two small networks: first its box, then the brain in it.

The method is that of deepbet (Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845), whose
networks these are. Both look at a cube, whatever the image's size and spacing: every axis is
sampled to as many voxels as the cube has. Pure functions; who runs the networks is the caller's
business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Shape
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import Mask, Volume
from latup_cli.preprocess.brain import brain_mask

Array: TypeAlias = npt.NDArray[np.float32]
Predict: TypeAlias = Callable[[Array], Array]
"""(1, 1, i, j, k) intensities to (1, 2, i, j, k) probabilities of background and brain."""

BOX_WINDOW: Final[Shape] = (128, 128, 128)
BRAIN_WINDOW: Final[Shape] = (256, 256, 256)

# How the networks were trained to see images; the paper's section on preprocessing.
_AXES = "RAS"
_PERCENTILES = (0.5, 99.5)
_MEAN, _DEVIATION = 0.449, 0.226
_MARGIN = 0.1
_LEAST_SHARE = 0.02
_HALF = 0.5


def strip(
    image: Volume,
    find_box: Predict,
    find_brain: Predict,
    *,
    box_window: Shape = BOX_WINDOW,
    brain_window: Shape = BRAIN_WINDOW,
) -> Mask:
    """The brain in an image of a head, T1-weighted best, with or without contrast agent.

    Args:
        image: A head in any axis order, with any spacing.
        find_box: The network that sees the whole image, in `box_window` voxels.
        find_brain: The network that sees the box around the brain, in `brain_window` voxels.
        box_window: Voxels along the axes of the head, left to right first.
        brain_window: The same for the second network.

    Returns:
        One component without holes, on the grid of the image; empty where no brain was seen.
    """
    turn = reorientation(image.grid, _AXES)
    data = turn.apply(image.data)
    brain = np.zeros(data.shape, dtype=np.bool_)
    small = look_at(data, box_window)
    low, high = (float(value) for value in np.percentile(small, _PERCENTILES))
    box = None
    if high > low:
        box = box_around(_brain_probability(find_box, scaled(small, low, high)), data.shape)
    if box is not None:
        seen = scaled(look_at(data[box.slices], brain_window), low, high)
        probability = look_at(_brain_probability(find_brain, seen), box.shape)
        brain[box.slices] = _one_body(probability > _HALF)
    return Mask(np.ascontiguousarray(turn.undo(brain)), image.grid)


def look_at(data: Array, shape: Shape) -> Array:
    """Sample (i, j, k) to another number of voxels that cover the same block of space.

    Every new voxel takes the value of the old one that its center lies in.
    """
    sampled: Array = data[np.ix_(*map(_nearest, data.shape, shape))]
    return np.nan_to_num(sampled, copy=False)


def scaled(seen: Array, low: float, high: float) -> Array:
    """Intensities as the networks know them: clipped to a range, then of fixed mean and spread.

    Args:
        seen: (i, j, k) samples of the image.
        low: What becomes the darkest; 0.5 percent of the whole image are darker.
        high: What becomes the brightest; 0.5 percent of the whole image are brighter.
    """
    clipped = np.clip(seen, low, high)
    clipped -= clipped.mean(dtype=np.float64)
    deviation = float(clipped.std(dtype=np.float64)) or 1.0
    clipped *= _DEVIATION / deviation
    clipped += _MEAN
    return clipped


def box_around(probability: Array, shape: Shape) -> Box | None:
    """The box around a brain that was seen in a cube, with a margin, in an image's voxels.

    A plane belongs to the brain if at least a fiftieth of it does.

    Args:
        probability: (i, j, k) of brain, in the cube.
        shape: Voxels of the image that the cube shows.

    Returns:
        None if there is no brain.
    """
    body = _one_body(probability > _HALF)
    edges = [_edges(body, axis, size) for axis, size in enumerate(shape)]
    (i, p), (j, q), (k, r) = edges
    return Box((i, j, k), (p, q, r)) if i < p and j < q and k < r else None


def _edges(body: npt.NDArray[np.bool_], axis: int, size: int) -> tuple[int, int]:
    """First and last (exclusive) voxel along an axis of the image that has `size` of them."""
    others = tuple(other for other in range(body.ndim) if other != axis)
    inside = np.flatnonzero(body.mean(axis=others) > _LEAST_SHARE)
    if inside.size == 0:
        return 0, 0
    scale = size / body.shape[axis]
    first, stop = int(inside[0]), int(inside[-1]) + 1
    center = round(scale * (first + stop) / 2)
    half = round(scale * (stop - first) * (1 + 2 * _MARGIN)) / 2
    return max(0, int(center - half)), min(size, int(center + half))


def _one_body(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest component with its holes filled; empty stays empty."""
    return brain_mask([mask]) if mask.any() else mask


def _brain_probability(predict: Predict, seen: Array) -> Array:
    probability: Array = predict(np.ascontiguousarray(seen[None, None]))[0, 1]
    return probability


def _nearest(old: int, new: int) -> npt.NDArray[np.intp]:
    """Which of `old` voxels along an axis holds the center of each of `new` ones."""
    centers = (np.arange(new) + _HALF) * (old / new)
    return np.asarray(np.floor(centers), dtype=np.intp)
