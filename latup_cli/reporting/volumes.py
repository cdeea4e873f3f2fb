"""Measure the brain and the tumor's regions in voxels, mL and shares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from latup_cli.domain.report import RegionVolume, Volumes
from latup_cli.domain.volume import LabelMap, Mask
from latup_cli.errors import GeometryError
from latup_cli.labels import REGIONS, Tissue

REGION_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "WT": "whole tumor",
        "TC": "tumor core",
        "ET": "enhancing tumor",
        "NCR": "necrotic and non-enhancing tumor core",
        "ED": "edema",
    }
)
"""Everything that is measured, in the order of reports: BraTS regions, then single tissues."""


def measure(labels: LabelMap, brain: Mask) -> Volumes:
    """Volumes of WT, TC, ET, NCR, ED and of the brain.

    A voxel's volume is the absolute determinant of the affine's linear part, so that neither
    the order nor the direction of the axes matters.

    Args:
        labels: (i, j, k) uint8 in the numbers of its scheme.
        brain: (i, j, k) bool on the same grid.

    Raises:
        GeometryError: If the two do not lie on one grid.
        ValueError: If the brain is empty, for then shares mean nothing.
    """
    if not brain.grid.matches(labels.grid):
        raise GeometryError("The label map and the brain mask do not lie on one grid.")
    brain_voxels = int(np.count_nonzero(brain.data))
    if brain_voxels == 0:
        raise ValueError("an empty brain mask has no volume to compare with")
    voxels = _voxels_by_region(labels)
    return Volumes(
        brain_voxels,
        brain.volume_ml,
        tuple(
            RegionVolume(
                region,
                name,
                voxels[region],
                voxels[region] * labels.grid.voxel_ml,
                100.0 * voxels[region] / brain_voxels,
            )
            for region, name in REGION_NAMES.items()
        ),
    )


def _voxels_by_region(labels: LabelMap) -> dict[str, int]:
    numbers = labels.scheme.numbers
    tissues = {t: int(np.count_nonzero(labels.data == numbers[t])) for t in Tissue}
    regions = {name: sum(tissues[tissue] for tissue in of) for name, of in REGIONS.items()}
    return regions | {tissue.name: voxels for tissue, voxels in tissues.items()}
