"""The same LATUP-Net in PyTorch at 1 mm, by MONAI's sliding windows of 128^3 with 0.5 overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers import sliding_window_inference
from study import Array, run

from latup_cli.training.network import LatupNet, NetworkConfig

LABELS = np.array([0, 1, 2, 4], dtype=np.uint8)


def segment(channels: Array) -> npt.NDArray[np.uint8]:
    """Labels of the whole image, as the 240 x 240 x 155 voxels come."""
    torch.manual_seed(0)
    network = LatupNet(NetworkConfig()).eval()
    image = torch.from_numpy(channels)[None]
    scores = sliding_window_inference(
        image, (128, 128, 128), 1, network, overlap=0.5, mode="gaussian"
    )
    labels: npt.NDArray[np.uint8] = LABELS[scores[0].argmax(dim=0).numpy()]
    return labels


if __name__ == "__main__":
    run(segment)
