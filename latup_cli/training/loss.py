"""The loss over the nested regions WT, TC and ET, from the scores of four exclusive classes."""

from __future__ import annotations

from itertools import accumulate

import torch
from monai.losses import DiceLoss
from torch import Tensor

from latup_cli.labels import Tissue

_INWARD = (0, Tissue.ED, Tissue.NCR, Tissue.ET)
"""The classes from outside in: WT is what follows the first, TC the second, ET the third."""


def region_log_probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of p and 1 - p for every region, without leaving the logarithm.

    Args:
        logits: (n, 4, i, j, k) class scores before softmax.

    Returns:
        Two tensors (n, 3, i, j, k), regions in the order WT, TC, ET.
    """
    classes = logits.log_softmax(dim=1).unbind(dim=1)
    layers = [classes[number] for number in _INWARD]
    inside = list(accumulate(reversed(layers[1:]), torch.logaddexp))[::-1]
    outside = list(accumulate(layers[:-1], torch.logaddexp))
    return torch.stack(inside, dim=1), torch.stack(outside, dim=1)


class RegionLoss(torch.nn.Module):
    """Soft Dice plus weighted binary cross-entropy, each averaged over the regions.

    Targets may be shares of a voxel, as at a coarser grid than the labels were drawn on.
    """

    def __init__(self, cross_entropy_weight: float) -> None:
        super().__init__()
        self.weight = cross_entropy_weight
        self.dice = DiceLoss(soft_label=True, smooth_nr=1.0, smooth_dr=1.0)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(n, 4, i, j, k) scores and (n, 3, i, j, k) region shares to a scalar."""
        inside, outside = region_log_probabilities(logits.float())
        cross_entropy = -(target * inside + (1.0 - target) * outside).mean()
        loss: Tensor = self.dice(inside.exp(), target) + self.weight * cross_entropy
        return loss
