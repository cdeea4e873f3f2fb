"""MONAI's SegResNet as its BraTS bundle configures it, random weights, one pass.

The image is padded to 240 x 240 x 160 voxels: the network halves an axis three times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from monai.networks.nets import SegResNet
from study import Array, from_regions, run

MULTIPLE = 8


def segment(channels: Array) -> npt.NDArray[np.uint8]:
    """Labels of the whole image at once."""
    torch.manual_seed(0)
    network = SegResNet(
        blocks_down=(1, 2, 2, 4),
        blocks_up=(1, 1, 1),
        init_filters=16,
        in_channels=4,
        out_channels=3,
        dropout_prob=0.2,
    ).eval()
    size = channels.shape[1:]
    padded = np.pad(channels, [(0, 0), *((0, -n % MULTIPLE) for n in size)])
    scores = network(torch.from_numpy(padded)[None])[0]
    return from_regions(scores)[tuple(slice(0, n) for n in size)]


if __name__ == "__main__":
    run(segment)
