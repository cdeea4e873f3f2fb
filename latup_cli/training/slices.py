"""Make a crop look as if it had been scanned in thick slices, as most clinical series are.

Each modality is averaged over slices of its own thickness along an axis of its own, and brought
back to the crop's grid by linear interpolation, as registration does with the real series.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

from latup_cli.training.bias import BLACK

_THICK_SHARE = 0.75  # of the modalities of such a patient; one is often a thin 3-D series
_STRIPPED_SHARE = 0.5  # of patients whose series were stripped before they were resampled


def in_thick_slices(
    image: Tensor, thickness: tuple[float, float], random: np.random.Generator
) -> Tensor:
    """Blur most modalities along one axis each.

    What is averaged with the brain at its edge is either nothing, as if the head around it had
    its brightness, or the dark background of a series that was skull-stripped before.

    Args:
        image: (modalities, i, j, k) float32: z-scores inside the brain and 0 outside.
        thickness: Smallest and largest distance between slices, in voxels.
        random: Draws modalities, axes, thicknesses and the kind of edge.

    Returns:
        A tensor of the same shape, 0 where `image` is 0 in every modality.
    """
    inside = (image != 0).any(dim=0).float()
    stripped = random.random() < _STRIPPED_SHARE
    changed = []
    for modality in image:
        if random.random() >= _THICK_SHARE:
            changed.append(modality)
            continue
        axis, voxels = int(random.integers(3)), float(random.uniform(*thickness))
        if stripped:
            blurred = _resliced(torch.where(inside > 0, modality, BLACK), axis, voxels)
        else:
            weight = _resliced(inside, axis, voxels).clamp_min(1e-3)
            blurred = _resliced(modality, axis, voxels) / weight
        changed.append(blurred * inside)
    return torch.stack(changed)


def _resliced(volume: Tensor, axis: int, voxels: float) -> Tensor:
    """Average (i, j, k) over slices so many voxels thick along an axis, and interpolate back."""
    lines = volume.movedim(axis, 2)
    size = lines.shape[2]
    rows = lines.reshape(1, -1, size)  # the other two axes as channels
    slices = F.interpolate(rows, max(2, round(size / voxels)), mode="area")
    back = F.interpolate(slices, size, mode="linear", align_corners=False)
    return back.reshape(lines.shape).movedim(2, axis)
