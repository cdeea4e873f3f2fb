"""Other intensities, as another scanner would give them, and now and then a modality less."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor

from latup_cli.training.settings import TrainSettings

_IMAGE = "image"


def intensities(settings: TrainSettings) -> Compose:
    """What the settings ask for; drawn anew from a seed at every step."""
    return Compose(_changes(settings))


def augment(image: Tensor, changes: Compose, drop_probability: float, seed: int) -> Tensor:
    """Change intensities at random; the same seed, the same changes.

    Args:
        image: (modalities, i, j, k) float32, 0 outside the brain.
        changes: See `intensities`.
        drop_probability: Probability that one modality is blanked.
        seed: Fixes every draw.

    Returns:
        A tensor of the same shape, still 0 outside the brain.
    """
    changes.set_random_state(seed=seed)
    inside = (image != 0).any(dim=0)
    changed = torch.as_tensor(changes({_IMAGE: image})[_IMAGE]) * inside
    return _without_one(changed, drop_probability, seed)


def _without_one(image: Tensor, probability: float, seed: int) -> Tensor:
    """Blank one modality now and then, so that no tissue hangs on a single contrast."""
    random = np.random.default_rng([seed, 2])
    dropped = int(random.integers(len(image)))
    if random.random() < probability:
        image[dropped] = 0.0
    return image


def _changes(settings: TrainSettings) -> list[MapTransform]:
    """Per-channel changes, for scanners that no training case came from."""
    often, rarely = settings.intensity_probability, settings.intensity_probability / 2
    blur = settings.blur_voxels
    return [
        RandScaleIntensityd(
            _IMAGE, factors=settings.intensity_scale, prob=often, channel_wise=True
        ),
        RandShiftIntensityd(
            _IMAGE, offsets=settings.intensity_shift, prob=often, channel_wise=True
        ),
        RandAdjustContrastd(_IMAGE, gamma=(0.7, 1.5), prob=rarely, retain_stats=True),
        RandGaussianNoised(_IMAGE, prob=rarely, std=settings.noise),
        RandGaussianSmoothd(_IMAGE, prob=rarely, sigma_x=blur, sigma_y=blur, sigma_z=blur),
    ]
