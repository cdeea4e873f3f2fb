"""What lies around the brain: meninges, skull, scalp, eyes, face and neck, drawn from distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.grid import Box
from phantom.fields import Array, Bools, smooth_field

TISSUES = (
    "air", "fluid", "dura", "cortex", "marrow", "fat", "muscle", "skin", "cord", "mucosa"
)  # fmt: skip
"""Kinds of tissue outside the brain; "cortex" is that of bone."""

Kinds: TypeAlias = npt.NDArray[np.uint8]
"""(i, j, k), positions in TISSUES."""

_FOLD_MM = 14.0  # narrower gaps between lobes lie inside the dura
_SPACE_MM = 1.6  # fluid over the gyri
_DURA_MM = 1.0
_TABLE_MM = 1.7  # of dense bone, inside and outside
_SKIN_MM = 1.8
_BONE_MM = (6.5, 0.9)  # mean and deviation of the skull's thickness
_SCALP_MM = (6.0, 1.1)
_SOFTENED_MM = 2.5
_RIM_MM = 0.7  # how far the scanner lets brain and fluid run into each other


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A simple body at a place of the ICBM 152 (MNI) space, on both sides unless x is 0.

    Attributes:
        tissue: One of TISSUES.
        center_mm: RAS+ mm.
        radii_mm: Along R, A and S; `inf` for a cylinder.
        top_mm: Highest S.
    """

    tissue: str
    center_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    top_mm: float = np.inf

    def within(self, mni: Array) -> Bools:
        """Which of the (3, i, j, k) places lie inside."""
        x, y, z = mni
        off = (np.abs(x) - abs(self.center_mm[0]), y - self.center_mm[1], z - self.center_mm[2])
        away: Array = sum((part / r) ** 2 for part, r in zip(off, self.radii_mm, strict=True))
        return np.asarray((away < 1.0) & (z < self.top_mm))


_OUTLINE = (
    Ellipsoid("muscle", (0.0, 30.0, -76.0), (66.0, 62.0, 66.0)),  # face
    Ellipsoid("muscle", (31.0, 44.0, -44.0), (32.0, 34.0, 30.0)),  # cheeks and orbits
    Ellipsoid("muscle", (0.0, 90.0, -54.0), (13.0, 17.0, 22.0)),  # nose
    Ellipsoid("muscle", (0.0, -22.0, 0.0), (57.0, 60.0, np.inf), top_mm=-48.0),  # neck
)
_EARS = Ellipsoid("skin", (74.0, -24.0, -30.0), (7.0, 15.0, 20.0))
_PARTS = (
    Ellipsoid("fat", (31.0, 46.0, -40.0), (18.0, 29.0, 17.0)),  # orbits
    Ellipsoid("muscle", (31.0, 44.0, -40.0), (3.0, 20.0, 3.0)),
    Ellipsoid("skin", (31.0, 63.0, -40.0), (13.2, 13.2, 13.2)),  # the eye's coats
    Ellipsoid("fluid", (31.0, 63.0, -40.0), (12.0, 12.0, 12.0)),
    Ellipsoid("cortex", (0.0, 52.0, -60.0), (46.0, 30.0, 24.0), top_mm=-54.0),  # upper jaw
    Ellipsoid("mucosa", (27.0, 46.0, -66.0), (15.5, 18.5, 17.5)),  # maxillary sinuses
    Ellipsoid("air", (27.0, 46.0, -66.0), (14.0, 17.0, 16.0)),
    Ellipsoid("mucosa", (0.0, 58.0, -62.0), (12.0, 34.0, 19.0)),  # nose
    Ellipsoid("air", (5.0, 58.0, -62.0), (2.6, 31.0, 16.0)),
    Ellipsoid("mucosa", (0.0, 16.0, -44.0), (12.0, 11.0, 10.0)),  # sphenoid sinus
    Ellipsoid("air", (0.0, 16.0, -44.0), (10.5, 9.5, 8.5)),
    Ellipsoid("air", (0.0, 3.0, -105.0), (11.0, 6.0, 46.0)),  # pharynx
    Ellipsoid("fat", (0.0, 44.0, -116.0), (40.0, 34.0, 8.0)),  # floor of the mouth
    Ellipsoid("cortex", (44.0, 20.0, -96.0), (5.0, 22.0, 24.0)),  # lower jaw
    Ellipsoid("marrow", (44.0, 20.0, -96.0), (3.0, 19.0, 21.0)),
    Ellipsoid("cortex", (0.0, -22.0, 0.0), (13.0, 11.5, np.inf), top_mm=-80.0),  # vertebrae
    Ellipsoid("marrow", (0.0, -22.0, 0.0), (11.0, 9.5, np.inf), top_mm=-82.0),
    Ellipsoid("cortex", (0.0, -47.0, 0.0), (14.0, 13.0, np.inf), top_mm=-78.0),
    Ellipsoid("fluid", (0.0, -45.0, 0.0), (10.5, 9.0, np.inf), top_mm=-66.0),
    Ellipsoid("cord", (0.0, -45.0, 0.0), (6.5, 5.0, np.inf), top_mm=-64.0),
)
"""Later ones lie inside earlier ones."""

_MASTOID = Ellipsoid("air", (54.0, -30.0, -46.0), (11.0, 13.0, 15.0))


def build_head(brain: Bools, box: Box, mni: Array, rng: np.random.Generator) -> Kinds:
    """Close a head around a brain.

    Args:
        brain: The brain in `box`, voxels of 1 mm.
        box: Where it lies in the head's grid.
        mni: (3, i, j, k) of the whole head's grid, RAS+ mm in MNI space.
        rng: Where thicknesses and textures vary from.

    Returns:
        What every voxel of the head would be if the brain were not there.
    """
    _, i, j, k = mni.shape
    inside = np.zeros((i, j, k), dtype=bool)
    inside[box.slices] = brain
    away = _distance_mm(_cavity(inside))
    bone, scalp = (
        mean + spread * smooth_field(rng, (i, j, k), 22.0) for mean, spread in (_BONE_MM, _SCALP_MM)
    )
    outline = away < bone + scalp
    for part in _OUTLINE:
        outline |= part.within(mni) & (part.tissue == "muscle")
    outline = _smoothed(outline) | (_EARS.within(mni) & (away > bone))
    depth: Array = ndimage.distance_transform_edt(outline)
    kinds = _flesh(depth, rng)
    for part, where in _inner_parts(mni, away):
        kinds[where & outline & (depth > _SKIN_MM)] = TISSUES.index(part)
    kinds[_cells(mni, rng) & (away > _TABLE_MM)] = TISSUES.index("air")
    _lay_skull(kinds, away, bone, _canal(mni))
    return kinds


def shine(kinds: Kinds, levels: Mapping[str, float], rng: np.random.Generator) -> Array:
    """Signal of a head without its brain, uneven by a tenth, (i, j, k)."""
    i, j, k = kinds.shape
    signal = np.array([levels[name] for name in TISSUES])[kinds]
    return np.asarray(signal * (1.0 + 0.1 * smooth_field(rng, (i, j, k), 2.5)))


def put_brain(head: Array, brain: Array, mask: Bools, box: Box) -> Array:
    """The head with its brain, which runs into the fluid over less than a millimetre."""
    share: Array = ndimage.gaussian_filter(mask.astype(np.float64), _RIM_MM)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    filled = brain[tuple(nearest)]
    whole: Array = ndimage.gaussian_filter(head, _RIM_MM)
    whole[box.slices] += share * (filled - whole[box.slices])
    return whole


def _cavity(brain: Bools) -> Bools:
    """What the dura surrounds: the brain with its folds closed, and some fluid."""
    reached = _distance_mm(brain) < _FOLD_MM
    depth: Array = ndimage.distance_transform_edt(reached)
    return np.asarray(depth > _FOLD_MM - _SPACE_MM) | brain


def _distance_mm(mask: Bools) -> Array:
    distance: Array = ndimage.distance_transform_edt(~mask)
    return distance


def _smoothed(mask: Bools) -> Bools:
    soft: Array = ndimage.gaussian_filter(mask.astype(np.float32), _SOFTENED_MM)
    return np.asarray(soft > 0.5)


def _flesh(depth: Array, rng: np.random.Generator) -> Kinds:
    """Skin, fat below it, and deeper down muscle with streaks of fat."""
    i, j, k = depth.shape
    streaks = smooth_field(rng, (i, j, k), 2.2)
    below = _SKIN_MM + 3.5 + 1.5 * smooth_field(rng, (i, j, k), 10.0)
    fat = (depth < below) | (streaks > 1.0)
    kinds = np.where(fat, TISSUES.index("fat"), TISSUES.index("muscle"))
    kinds = np.where(depth < _SKIN_MM, TISSUES.index("skin"), kinds)
    return np.where(depth > 0.0, kinds, TISSUES.index("air")).astype(np.uint8)


def _inner_parts(mni: Array, away: Array) -> Iterator[tuple[str, Bools]]:
    outside = away > _DURA_MM
    return ((part.tissue, part.within(mni) & outside) for part in _PARTS)


def _cells(mni: Array, rng: np.random.Generator) -> Bools:
    """Air cells of the mastoid bone."""
    _, i, j, k = mni.shape
    return np.asarray(_MASTOID.within(mni) & (smooth_field(rng, (i, j, k), 1.2) > -0.2))


def _canal(mni: Array) -> Bools:
    """Where the skull is open for the spinal cord."""
    return Ellipsoid("fluid", (0.0, -45.0, 0.0), (11.0, 9.5, np.inf), top_mm=-66.0).within(mni)


def _lay_skull(kinds: Kinds, away: Array, bone: Array, canal: Bools) -> None:
    """Fluid, dura, and two tables of bone with marrow between them."""
    air = kinds == TISSUES.index("air")
    kinds[(away < bone) & ~canal & ~air] = TISSUES.index("cortex")
    spongy = (away > _DURA_MM + _TABLE_MM) & (away < bone - _TABLE_MM)
    kinds[spongy & ~canal & ~air] = TISSUES.index("marrow")
    kinds[(away < _DURA_MM) & ~canal] = TISSUES.index("dura")
    kinds[away <= 0.0] = TISSUES.index("fluid")
