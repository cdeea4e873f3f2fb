"""Make a crop look as if it had been scanned in thick slices, as most clinical series are.

Each modality is averaged over slices of its own thickness along an axis of its own, and brought
back to the crop's grid by linear interpolation, as registration does with the real series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

from latup_cli.labels import MODALITIES
from latup_cli.training.bias import BLACK
from latup_cli.training.settings import TrainSettings

_THICK_SHARE = 0.75  # of the modalities of such a patient; one is often a thin 3-D series
_STRIPPED_SHARE = 0.5  # of patients whose series were stripped before they were resampled


@dataclass(frozen=True, slots=True)
class Scan:
    """How a patient was scanned.

    Attributes:
        slices: For each modality along which axis its slices follow one another, and their
            distance in mm; None for a modality of thin slices.
        stripped: Whether skull and background were blackened before the series were resampled.
    """

    slices: tuple[tuple[int, float] | None, ...]
    stripped: bool = False


THIN = Scan((None,) * len(MODALITIES))
"""A patient all of whose series are thin."""


def draw_scan(settings: TrainSettings, random: np.random.Generator) -> Scan:
    """A random way to be scanned; `THIN` unless the settings' `slice_probability` decides it."""
    if random.random() >= settings.slice_probability:
        return THIN
    stripped = random.random() < _STRIPPED_SHARE
    slices = []
    for _ in MODALITIES:
        thick = random.random() < _THICK_SHARE
        axis, distance = int(random.integers(3)), float(random.uniform(*settings.slice_mm))
        slices.append((axis, distance) if thick else None)
    return Scan(tuple(slices), stripped)


def in_slices(image: Tensor, scan: Scan, spacing_mm: Sequence[float]) -> Tensor:
    """Blur each modality along the axis of its slices.

    What is averaged with the brain at its edge is either nothing, as if the head around it had
    its brightness, or the dark background of a series that was skull-stripped before.

    Args:
        image: (modalities, i, j, k) float32: z-scores inside the brain and 0 outside.
        scan: In which slices.
        spacing_mm: Size of the image's voxels along i, j, k.

    Returns:
        A tensor of the same shape, 0 where `image` is 0 in every modality.
    """
    if not any(scan.slices):
        return image
    inside = (image != 0).any(dim=0).float()
    changed = []
    for modality, slices in zip(image, scan.slices, strict=True):
        if slices is None:
            changed.append(modality)
            continue
        axis, distance = slices
        voxels = max(1.0, distance / spacing_mm[axis])
        if scan.stripped:
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
