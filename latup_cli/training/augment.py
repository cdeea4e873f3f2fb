"""What a case may look like to the network: one crop, turned, mirrored, with other intensities."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    ResizeWithPadOrCropd,
)

from latup_cli.training.cases import TrainingCase
from latup_cli.training.settings import TrainSettings

_IMAGE, _TARGET = "image", "target"
_BOTH = (_IMAGE, _TARGET)
_FULL = 255.0


def augmentation(settings: TrainSettings) -> Compose:
    """Random changes that a tumor survives; drawn anew from a seed at every step."""
    spatial = RandAffined(
        _BOTH,
        spatial_size=settings.window,
        prob=settings.spatial_probability,
        rotate_range=(settings.rotation_rad,) * 3,
        scale_range=(settings.scaling,) * 3,
        translate_range=tuple(settings.shift_share * size for size in settings.window),
        mode="bilinear",
        padding_mode="zeros",
    )
    flips = [
        RandFlipd(_BOTH, prob=probability, spatial_axis=axis)
        for axis, probability in enumerate(settings.flips)
    ]
    return Compose(
        [
            spatial,
            ResizeWithPadOrCropd(_BOTH, spatial_size=settings.window),
            *flips,
            *_intensities(settings.intensity_probability),
        ]
    )


def draw(case: TrainingCase, transform: Compose, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One random crop of a case; the same seed gives the same crop.

    Returns:
        Image (modalities, i, j, k) and target (3, i, j, k), both float32, target in [0, 1].
    """
    transform.set_random_state(seed=seed)
    sample = transform(
        {
            _IMAGE: torch.from_numpy(case.image.astype(np.float32)),
            _TARGET: torch.from_numpy(case.target.astype(np.float32) / _FULL),
        }
    )
    image, target = (torch.as_tensor(sample[key]) for key in _BOTH)
    return image, target.clamp_(0.0, 1.0)


def _intensities(probability: float) -> list[MapTransform]:
    """Per-channel changes, for scanners that no training case came from."""
    return [
        RandScaleIntensityd(_IMAGE, factors=0.2, prob=probability, channel_wise=True),
        RandShiftIntensityd(_IMAGE, offsets=0.2, prob=probability, channel_wise=True),
        RandAdjustContrastd(_IMAGE, gamma=(0.75, 1.4), prob=probability / 2, retain_stats=True),
        RandGaussianNoised(_IMAGE, prob=probability / 2, std=0.15),
        RandGaussianSmoothd(
            _IMAGE,
            prob=probability / 2,
            sigma_x=(0.3, 0.9),
            sigma_y=(0.3, 0.9),
            sigma_z=(0.3, 0.9),
        ),
    ]
