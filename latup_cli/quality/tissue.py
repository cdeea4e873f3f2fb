"""Evidence in the pixels about which of four images is which, from how tissues look in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from latup_cli.quality.coarse import COARSE_MM, Coarse, Image, Region, ranks
from latup_cli.quality.nearby import flattened, inner, smooth

Order = tuple[str, str, str, str]
"""Images in the roles T1, T1ce, T2, FLAIR."""

EDGE_MM = 3.0
"""Depth that is left out: masks differ there, and stripping leaves dark rims in all images."""

_LOCAL_MM = 12.0
_SPREAD = 1.5  # slices: half of one, and the gap to the next that interpolation fills
_DARKEST = 0.05  # no tissue, but CSF, air, and flow in one of the images
_CSF_SHARE = 0.05
_VISIBLE = 0.5
_OUTLIER = 4.0  # robust standard deviations
_FEW_ML = 0.16
_NORMAL = 1.4826  # median absolute deviation to standard deviation


@dataclass(frozen=True, slots=True, eq=False)
class Tissues:
    """Four images without coil sensitivity, and their ranks, inside the brain.

    Attributes:
        flat: Name to (i, j, k) float32, 1 at the local mean.
        rank: Name to (n,) rank of each inner voxel in its image, in [0, 1].
        alike: Rank correlation over tissue of each two names.
        inside: (i, j, k) bool: the n voxels that are deep enough and seen by all images.
        coarse: Where they come from.
    """

    flat: Mapping[str, Image]
    rank: Mapping[str, Image]
    alike: Mapping[tuple[str, str], float]
    inside: Region
    coarse: Coarse

    @property
    def seen_ml(self) -> float:
        """How much of the brain all images show, its edge left out, in mL."""
        return float(np.count_nonzero(self.inside)) * self.coarse.voxel_ml


def tissues(images: Coarse, *, slice_mm: float = 0.0) -> Tissues:
    """Bring images to ranks that a positive factor and a smooth field leave as they are.

    Args:
        images: Four images around the brain.
        slice_mm: Thickest slices that any of them was scanned in. The thicker, the deeper the
            rim that is left out: there the images mix brain with what lies around it, each
            along its own slices, and the darkest voxels are not CSF.

    Raises:
        ValueError: If the brain is empty.
    """
    coarse = images.cropped()
    seen = np.all([np.isfinite(image) & (image > 0) for image in coarse.images.values()], axis=0)
    edge_mm = EDGE_MM + _SPREAD * max(0.0, slice_mm - COARSE_MM)
    inside = inner(coarse.region, coarse.spacing_mm, edge_mm) & seen
    flat = {name: _flat(image, inside, coarse) for name, image in coarse.images.items()}
    rank = {name: ranks(image[inside]) for name, image in flat.items()}
    return Tissues(flat, rank, _correlations(rank), inside, coarse)


def pairs_alike(found: Tissues, order: Order) -> float:
    """How much more alike T1 and T1ce, and T2 and FLAIR, are than the best other two pairs.

    Sums of rank correlations over tissue: white matter is brighter than gray in T1 and T1ce and
    darker in T2 and FLAIR, and edema the other way round. In [-4, 4]; positive if the pairs of
    `order` fit best.
    """
    a, b, c, d = order
    alike = found.alike
    own, *others = (
        alike[a, b] + alike[c, d],
        alike[a, c] + alike[b, d],
        alike[a, d] + alike[b, c],
    )
    return own - max(others)


def csf_splits(found: Tissues, order: Order) -> float:
    """How much more the T2-like pair is torn apart by CSF than the T1-like pair, in [-1, 1].

    CSF is dark in T1, T1ce and FLAIR and bright in T2. So where the T1-like pair is darkest, the
    other two differ; where the T2-like pair is darkest, the other two agree.
    """
    a, b, c, d = order
    return abs(_contrast_where_dark(found, (a, b), (c, d))) - abs(
        _contrast_where_dark(found, (c, d), (a, b))
    )


def csf_brighter(found: Tissues, order: Order) -> float:
    """Rank of CSF in T2 minus its rank in FLAIR, in [-1, 1]; CSF is where T1 and T1ce are dark."""
    a, b, c, d = order
    return _contrast_where_dark(found, (a, b), (c, d))


def brightened(found: Tissues, order: Order) -> float:
    """Log ratio of the volumes that are brighter and darker in T1ce than T1 foretells.

    Vessels, choroid plexus, dura and enhancing tumor brighten, nothing darkens; noise and small
    misregistration do both alike. Outliers of the local log ratio, beyond 4 robust standard
    deviations; both volumes plus 0.16 mL, so that a few voxels decide nothing.
    """
    t1, t1ce = order[:2]
    change = _log_ratio(found, t1ce, t1)
    spread = _NORMAL * float(np.median(np.abs(change)))
    limit = _OUTLIER * max(spread, 1e-6)
    up, down = (float(np.count_nonzero(side > limit)) for side in (change, -change))
    ml = found.coarse.voxel_ml
    return float(np.log((up * ml + _FEW_ML) / (down * ml + _FEW_ML)))


def _flat(image: Image, inside: Region, coarse: Coarse) -> Image:
    return np.where(inside, flattened(image, inside, coarse.spacing_mm), np.float32(0))


def _correlations(rank: Mapping[str, Image]) -> dict[tuple[str, str], float]:
    stack = np.stack(list(rank.values()))
    tissue = stack[:, (stack > _DARKEST).all(axis=0)]
    if tissue.shape[1] == 0:
        return dict.fromkeys(product(rank, rank), 0.0)
    tissue = tissue - tissue.mean(axis=1, keepdims=True)
    norms = np.maximum(np.linalg.norm(tissue, axis=1), 1e-12)
    table = np.einsum("in,jn->ij", tissue, tissue) / np.outer(norms, norms)
    return dict(zip(product(rank, rank), map(float, table.ravel()), strict=True))


def _contrast_where_dark(found: Tissues, dark: tuple[str, str], others: tuple[str, str]) -> float:
    """Mean difference of two images' ranks where two others are darkest, and one of them is not.

    What is dark in all four is a rim of the mask, or flow.
    """
    level = found.rank[dark[0]] + found.rank[dark[1]]
    darkest = level <= np.quantile(level, _CSF_SHARE)
    first, second = (found.rank[name][darkest] for name in others)
    visible = np.maximum(first, second) > _VISIBLE
    total = float((first - second)[visible].sum())
    # a fraction of the darkest voxels is added to the count, so that few of them decide nothing
    return total / max(1.0, np.count_nonzero(visible) + _CSF_SHARE * np.count_nonzero(darkest))


def _log_ratio(found: Tissues, bright: str, plain: str) -> npt.NDArray[np.float32]:
    """(n,) local log ratio of two images, centered at 0; darkness below 10 percent is lifted."""
    change = np.zeros(found.inside.shape, dtype=np.float32)
    above, below = (_lifted(found.flat[name][found.inside]) for name in (bright, plain))
    change[found.inside] = above - below
    local = smooth(change, found.inside, found.coarse.spacing_mm, _LOCAL_MM)
    values = (change - local)[found.inside]
    return np.asarray(values - np.median(values), dtype=np.float32)


def _lifted(values: Image) -> Image:
    return np.asarray(np.log(np.maximum(values, max(float(np.quantile(values, 0.1)), 1e-12))))
