"""A glioblastoma's shape: necrosis, enhancing rim, and edema that creeps along white matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)
from scipy import ndimage, special

from phantom.anatomy import Anatomy
from phantom.fields import Array, Bools, smooth_field

NCR, ED, ET = 1, 2, 4
"""BraTS 2021 numbers."""

_SPEED = (0.01, 0.13, 1.0)  # of edema in CSF, gray and white matter
_NEVER = 1e6


@dataclass(frozen=True, slots=True)
class Lobe:
    """An ellipsoid of the tumor core.

    Attributes:
        center_mm: RAS+ mm in SRI24 space.
        radii_mm: Along three axes that `turn_deg` turns about the S axis.
        turn_deg: Positive from R to A.
    """

    center_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    turn_deg: float


@dataclass(frozen=True, slots=True)
class TumorPlan:
    """What the tumor is to be like.

    Attributes:
        lobes: Ellipsoids whose union, warped, is the core.
        ragged: Deviation of the relative radius.
        rim_mm: Mean thickness of the enhancing rim.
        rim_spread_mm: Deviation of that thickness along the rim.
        gaps: Part of the rim that does not enhance.
        strands: Part of the core that enhances wherever it lies.
        edema_ml: Volume of edema.
        edema_fade_mm: Width over which edema fades into normal tissue.
    """

    lobes: tuple[Lobe, ...]
    ragged: float
    rim_mm: float
    rim_spread_mm: float
    gaps: float
    strands: float
    edema_ml: float
    edema_fade_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Tumor:
    """A tumor on the sample's grid.

    Attributes:
        labels: (i, j, k) uint8, BraTS 2021 numbers.
        edema: (i, j, k) float64 in [0, 1], how edematous the tissue is; no sharp border.
        depth: (i, j, k) float64, 1 at the core falling to 0 at the edema's far end.
    """

    labels: npt.NDArray[np.uint8]
    edema: Array
    depth: Array


def grow_tumor(anatomy: Anatomy, plan: TumorPlan, place: Array, rng: np.random.Generator) -> Tumor:
    """Grow the planned tumor in the given brain.

    Args:
        anatomy: Healthy tissue, already pushed aside.
        plan: What to grow.
        place: (3, i, j, k) RAS+ mm of every voxel, SRI24 space; voxels are 1 mm.
        rng: Where the irregularities come from.
    """
    core = _core(plan, place, rng) & anatomy.brain
    enhancing = _enhancing(plan, core, rng)
    arrival = _arrival_mm(anatomy, core, rng)
    reach = _reach_for_volume(arrival, plan.edema_ml)
    labels = _labels(core, enhancing, _edema_label(arrival < reach, anatomy, core))
    fade = special.expit((reach - arrival) / (plan.edema_fade_mm / 4.0))
    return Tumor(labels, fade, np.clip(1.0 - arrival / reach, 0.0, 1.0))


def _core(plan: TumorPlan, place: Array, rng: np.random.Generator) -> Bools:
    _, i, j, k = place.shape
    radius = np.min([_relative_radius(lobe, place) for lobe in plan.lobes], axis=0)
    uneven = 0.75 * smooth_field(rng, (i, j, k), 7.0) + 0.45 * smooth_field(rng, (i, j, k), 3.0)
    return _largest(radius < 1.0 + plan.ragged * uneven)


def _relative_radius(lobe: Lobe, place: Array) -> Array:
    x, y, z = place - np.reshape(lobe.center_mm, (3, 1, 1, 1))
    turn = np.deg2rad(lobe.turn_deg)
    along = x * np.cos(turn) + y * np.sin(turn)
    across = y * np.cos(turn) - x * np.sin(turn)
    scaled = [part / r for part, r in zip((along, across, z), lobe.radii_mm, strict=True)]
    radius: Array = np.sqrt(sum(part**2 for part in scaled))
    return radius


def _enhancing(plan: TumorPlan, core: Bools, rng: np.random.Generator) -> Bools:
    """A rim of uneven thickness with gaps, and strands that reach into the core."""
    i, j, k = core.shape
    thick = plan.rim_mm + plan.rim_spread_mm * smooth_field(rng, (i, j, k), 4.0)
    rim = core & (ndimage.distance_transform_edt(core) <= np.maximum(thick, 1.5))
    gap, strand = (smooth_field(rng, (i, j, k), scale) for scale in (3.5, 2.0))
    rim &= gap > np.quantile(gap[core], plan.gaps)
    return rim | (core & (strand > np.quantile(strand[core], 1.0 - plan.strands)))


def _arrival_mm(anatomy: Anatomy, core: Bools, rng: np.random.Generator) -> Array:
    """When a front from the core arrives, in mm of white matter: fast marching."""
    i, j, k = core.shape
    speed = np.einsum("c,cijk->ijk", _SPEED, anatomy.fractions)
    speed *= np.exp(0.45 * smooth_field(rng, (i, j, k), 8.0))
    speed[~anatomy.brain] = 0.0
    speed[core] = 20.0
    march = sitk.FastMarchingImageFilter()
    seeds = np.argwhere(core & ~ndimage.binary_erosion(core))
    march.SetTrialPoints([[int(n) for n in seed[::-1]] for seed in seeds])
    march.SetStoppingValue(80.0)
    arrival = sitk.GetArrayFromImage(march.Execute(sitk.GetImageFromArray(speed)))
    arrival = np.where(anatomy.brain, np.minimum(arrival, _NEVER), _NEVER)
    return np.where(core, 0.0, arrival)


def _reach_for_volume(arrival: Array, edema_ml: float) -> float:
    reached = np.sort(arrival[(arrival > 0.0) & (arrival < _NEVER)])
    return float(reached[int(edema_ml * 1000.0)])


def _edema_label(reached: Bools, anatomy: Anatomy, core: Bools) -> Bools:
    """What an expert would outline: smooth, without specks, outside CSF."""
    outline = ndimage.gaussian_filter((reached | core).astype(np.float64), 0.8) > 0.5
    outline &= (anatomy.fractions[0] < 0.5) & anatomy.brain & ~core
    return _largest(outline | core) & ~core


def _labels(core: Bools, enhancing: Bools, edema: Bools) -> npt.NDArray[np.uint8]:
    labels = np.zeros(core.shape, dtype=np.uint8)
    labels[edema] = ED
    labels[core] = NCR
    labels[enhancing] = ET
    return labels


def _largest(mask: Bools) -> Bools:
    components, count = ndimage.label(mask)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray(components == sizes.argmax())
