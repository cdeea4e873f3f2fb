"""nnU-Net's plain 3-D U-Net with its BraTS plan, random weights: 128^3 tiles, no mirroring.

As nnU-Net does, the image is cropped to what is not 0, tiles step by half their size, and
scores are added with a Gaussian weight.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from study import Array, brain_box, from_regions, run
from torch import nn

TILE = 128
STEP = 64
STAGES = 6


def network() -> nn.Module:
    """Six stages of two convolutions each, 32 to 320 features."""
    torch.manual_seed(0)
    made: nn.Module = PlainConvUNet(
        input_channels=4,
        n_stages=STAGES,
        features_per_stage=[32, 64, 128, 256, 320, 320],
        conv_op=nn.Conv3d,
        kernel_sizes=3,
        strides=[1, 2, 2, 2, 2, 2],
        n_conv_per_stage=2,
        num_classes=3,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    return made.eval()


def starts(size: int) -> list[int]:
    """First voxels of the fewest tiles that are at most half a tile apart."""
    count = -(-(size - TILE) // STEP) + 1
    return [round(start) for start in np.linspace(0, size - TILE, count)]


def segment(channels: Array) -> npt.NDArray[np.uint8]:
    """Labels tile by tile."""
    labels = np.zeros(channels.shape[1:], dtype=np.uint8)
    box = brain_box(channels)
    crop = channels[(slice(None), *box)]
    size = crop.shape[1:]
    padded = np.pad(crop, [(0, 0), *((0, max(0, TILE - n)) for n in size)])
    image = torch.from_numpy(padded)
    total = torch.zeros(3, *image.shape[1:])
    axis = torch.exp(-0.5 * ((torch.arange(TILE) - (TILE - 1) / 2) / (TILE / 8)) ** 2)
    weight = torch.einsum("i,j,k->ijk", axis, axis, axis).clamp_min(1e-3)
    unet = network()
    for first in product(*map(starts, image.shape[1:])):
        here = (slice(None), *(slice(n, n + TILE) for n in first))
        total[here] += weight * unet(image[here][None])[0]
    labels[box] = from_regions(total)[tuple(slice(0, n) for n in size)]
    return labels


if __name__ == "__main__":
    run(segment)
