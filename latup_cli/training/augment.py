"""What a case may look like to the network: one crop, turned, mirrored, with other intensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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

from latup_cli.training.settings import TrainSettings

_IMAGE, _TARGET = "image", "target"
_BOTH = (_IMAGE, _TARGET)


@dataclass(frozen=True, slots=True, eq=False)
class Augmentation:
    """Random changes that a tumor survives.

    Attributes:
        spatial: Turns, scales, shifts, mirrors and crops image and target alike.
        intensity: Changes the image only, as another scanner would.
        drop_probability: Probability that one modality is blanked.
    """

    spatial: Compose
    intensity: Compose
    drop_probability: float


def augmentation(settings: TrainSettings) -> Augmentation:
    """What the settings ask for; drawn anew from a seed at every step."""
    affine = RandAffined(
        _BOTH,
        spatial_size=settings.window,
        prob=settings.spatial_probability,
        rotate_range=(settings.rotation_rad,) * 3,
        scale_range=(settings.scaling,) * 3,
        translate_range=tuple(settings.shift_share * size for size in settings.window),
        mode="bilinear",
        padding_mode="zeros",
    )
    crop = ResizeWithPadOrCropd(_BOTH, spatial_size=settings.window)
    flips = [
        RandFlipd(_BOTH, prob=probability, spatial_axis=axis)
        for axis, probability in enumerate(settings.flips)
    ]
    intensity = Compose(_intensities(settings))
    return Augmentation(Compose([affine, crop, *flips]), intensity, settings.drop_probability)


def augment(
    image: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
    augmented: Augmentation,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a block at random and crop it to the window; the same seed, the same changes.

    Args:
        image: (modalities, i, j, k), 0 outside the brain.
        target: (3, i, j, k) in [0, 1].
        augmented: What may change.
        seed: Fixes every draw.

    Returns:
        Image and target of the window's size, float32, image 0 outside the brain.
    """
    augmented.spatial.set_random_state(seed=seed)
    augmented.intensity.set_random_state(seed=seed)
    sample = augmented.spatial({_IMAGE: torch.from_numpy(image), _TARGET: torch.from_numpy(target)})
    inside = (torch.as_tensor(sample[_IMAGE]) != 0).any(dim=0)
    changed = torch.as_tensor(augmented.intensity(sample)[_IMAGE]) * inside
    shares = torch.as_tensor(sample[_TARGET]).clamp(0.0, 1.0)
    return _without_one(changed, augmented.drop_probability, seed), shares


def _without_one(image: torch.Tensor, probability: float, seed: int) -> torch.Tensor:
    """Blank one modality now and then, so that no tissue hangs on a single contrast."""
    random = np.random.default_rng([seed, 2])
    dropped = int(random.integers(len(image)))
    if random.random() < probability:
        image[dropped] = 0.0
    return image


def _intensities(settings: TrainSettings) -> list[MapTransform]:
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
