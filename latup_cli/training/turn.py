"""Turn, scale, shift and mirror a patient, and cut a window out of it, in one interpolation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

from latup_cli.domain.grid import Box, Shape
from latup_cli.training.settings import TrainSettings

Matrix = npt.NDArray[np.float64]
Point = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """How a window lies in a block.

    Attributes:
        block_from_window: (3, 3) directions and sizes of the window's voxels.
        shift: (3,) of the window's center, in voxels of the block.
    """

    block_from_window: Matrix
    shift: Point


def draw_turn(settings: TrainSettings, random: np.random.Generator) -> Turn:
    """A random turn; often none but a mirroring."""
    mirrored = np.where(random.random(3) < settings.flips, -1.0, 1.0)
    angles = random.uniform(-1.0, 1.0, 3) * settings.rotation_rad
    scales = 1.0 + random.uniform(-1.0, 1.0, 3) * settings.scaling
    shift = random.uniform(-1.0, 1.0, 3) * settings.shift_share * np.array(settings.window)
    if random.random() >= settings.spatial_probability:
        return Turn(np.diag(mirrored), np.zeros(3))
    return Turn(_rotation(angles) @ np.diag(scales * mirrored), shift)


def reach(turn: Turn, center: Point, window: tuple[int, ...], size: tuple[int, ...]) -> Box:
    """The block of a patient of some size that a turned window sees; see `turned`."""
    half = np.abs(turn.block_from_window) @ np.array(window) / 2.0
    first = np.floor(center + turn.shift - half).astype(int)
    last = np.ceil(center + turn.shift + half).astype(int)
    i, j, k = (min(max(0, int(v)), n - 1) for v, n in zip(first, size, strict=True))
    a, b, c = (min(max(1, int(v) + 1), n) for v, n in zip(last, size, strict=True))
    return Box((i, j, k), (a, b, c))


def turned(block: Tensor, center: Point, turn: Turn, window: Shape) -> Tensor:
    """Cut a window out of a block by linear interpolation; what lies outside is 0.

    Args:
        block: (channels, i, j, k) float32.
        center: (3,) where the window's center lies before the turn's shift; voxel indices.
        turn: How the window lies.
        window: Voxels along i, j, k; the center of an even number lies between two.

    Returns:
        (channels, *window) float32.
    """
    sizes = np.array(block.shape[1:], dtype=np.float64)
    # What affine_grid wants: both sides measured from -1 to 1 across their voxels.
    scaled = turn.block_from_window * np.array(window) / sizes[:, None]
    middle = (2.0 * (center + turn.shift) + 1.0) / sizes - 1.0
    theta = np.column_stack([scaled[::-1, ::-1], middle[::-1]])  # its x is our k
    places = F.affine_grid(torch.from_numpy(theta[None]).float(), [1, 1, *window], False)
    # Only the batch is computed in parallel, so each thread gets a slab of the window.
    slabs = math.gcd(window[0], torch.get_num_threads())
    places = places.reshape(slabs, window[0] // slabs, *window[1:], 3)
    several = block.expand(slabs, *block.shape)
    found = F.grid_sample(several, places, padding_mode="zeros", align_corners=False)
    return found.movedim(0, 1).reshape(-1, *window)


def _rotation(angles: Point) -> Matrix:
    """About i, then j, then k, in radians: (3, 3)."""
    whole = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        a, b = (n for n in range(3) if n != axis)
        one[a, a] = one[b, b] = np.cos(angle)
        one[b, a], one[a, b] = np.sin(angle), -np.sin(angle)
        whole = one @ whole
    return whole
