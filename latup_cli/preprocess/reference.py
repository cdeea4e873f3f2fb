"""Expert labels on the grid that the network sees, for training and for measuring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import LabelMap
from latup_cli.labels import REGIONS
from latup_cli.preprocess.resample import resample


def region_shares(labels: LabelMap, prepared: PreparedStudy) -> npt.NDArray[np.float32]:
    """Which share of each model voxel is whole tumor, tumor core and enhancing tumor.

    At the input's own spacing the shares are 0 and 1; at a coarser one, what linear
    interpolation sees.

    Args:
        labels: On the study's native grid.
        prepared: The study that the labels belong to.

    Returns:
        (3, i, j, k) float32 in [0, 1] on `prepared.grid`, regions in the order WT, TC, ET.
    """
    placement = prepared.placement
    shares = []
    for name in REGIONS:
        native = placement.turn.apply(labels.region(name).data)[placement.box.slices]
        share = native.astype(np.float32)
        if not prepared.grid.matches(placement.block):
            share = resample(share, placement.block, prepared.grid)
        shares.append(share)
    return np.clip(np.stack(shares), 0.0, 1.0)
