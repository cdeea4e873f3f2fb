"""Give a patient another patient's tumor, so that few patients show many.

After CarveMix (Zhang et al. 2021, arXiv:2107.06709): the tumor is carved out of its donor with
a margin of random width around its outline, and put where it was. Here the two crops meet at
the same place of the brain's box, and nothing is put outside the host's brain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from latup_cli.domain.grid import Box

Sample = tuple[Tensor, Tensor]
"""Image (modalities, i, j, k), z-scores inside the brain and 0 outside, and target (3, i, j, k),
shares of WT, TC, ET in [0, 1]; both float32."""

_HALF = 0.5
_INWARD, _OUTWARD = 0.5, 1.0  # of the tumor's own depth


def mix(host: Sample, donor: Sample, random: np.random.Generator) -> Sample:
    """The host with the donor's tumor; the host itself if the donor's crop shows none.

    Args:
        host: Image and target.
        donor: Image and target of the same shape.
        random: Draws the margin.
    """
    tumor = (donor[1][0] > _HALF).numpy()
    if not tumor.any():
        return host
    in_both = (host[0] != 0).any(dim=0) & (donor[0] != 0).any(dim=0)
    carved = torch.from_numpy(_carved(tumor, random)) & in_both
    image, target = (torch.where(carved, d, h) for h, d in zip(host, donor, strict=True))
    return image, target


def _carved(tumor: npt.NDArray[np.bool_], random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """The tumor with a margin: half of the time less than it, half of the time more."""
    shrinks, share = random.random() < _HALF, random.random()
    box = Box.around(tumor, margin=1).slices
    depth = distance_transform_edt(tumor[box])
    carved = np.zeros_like(tumor)
    if shrinks:
        carved[box] = depth > _INWARD * depth.max() * share
        return carved
    reach = _OUTWARD * float(depth.max()) * share
    box = Box.around(tumor, margin=1 + int(reach)).slices
    carved[box] = distance_transform_edt(~tumor[box]) <= reach
    return carved
