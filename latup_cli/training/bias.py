"""Shade a crop as receiver coils do, so that a bright cerebellum is no edema.

Real bias fields multiply what was measured, smoothly over all of the head. Z-scores have lost
the level that is multiplied, so it is put back: a brain's mean lies about three of its standard
deviations above black.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

BLACK = -3.0
"""Z-score of no signal at all, in all four modalities give or take one."""

_NODES = (2, 5)  # random values along each axis, from a plain slope to a few waves; 5 is left out


def shaded(image: Tensor, strongest: float, random: np.random.Generator) -> Tensor:
    """Multiply each modality by a smooth field of its own.

    Args:
        image: (modalities, i, j, k) float32: z-scores inside the brain and 0 outside.
        strongest: Largest strength: brightness is multiplied by exp(-strongest) to exp(strongest).
        random: Draws each modality's field and strength.

    Returns:
        A tensor of the same shape, 0 where `image` is 0 in every modality. Each modality keeps its
        mean and standard deviation over the brain, as z-scores of a shaded image would.
    """
    inside = (image != 0).any(dim=0)
    voxels = int(inside.sum())
    if not voxels:
        return image
    return torch.stack([_shaded(one, inside, voxels, strongest, random) for one in image])


def _shaded(
    one: Tensor, inside: Tensor, voxels: int, strongest: float, random: np.random.Generator
) -> Tensor:
    nodes = int(random.integers(*_NODES))
    values = random.uniform(-1.0, 1.0, (1, 1, nodes, nodes, nodes)) * random.uniform(0.0, strongest)
    coarse = torch.from_numpy(values.astype(np.float32))
    field = F.interpolate(coarse, one.shape, mode="trilinear", align_corners=True)[0, 0]
    changed = ((one - BLACK) * field.exp_() + BLACK) * inside
    mean, deviation = _moments(one, voxels)
    other_mean, other_deviation = _moments(changed, voxels)
    scale = deviation / max(other_deviation, 1e-6)
    return ((changed - other_mean) * scale + mean) * inside


def _moments(image: Tensor, voxels: int) -> tuple[float, float]:
    """Mean and standard deviation over so many voxels of an image that is 0 elsewhere."""
    mean = float(image.sum()) / voxels
    square = float(image.square().sum()) / voxels
    return mean, max(0.0, square - mean * mean) ** 0.5
