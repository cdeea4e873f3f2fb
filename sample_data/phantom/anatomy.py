"""Healthy tissue of one invented person, from the averaged anatomy of 152 real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from latup_cli.domain.grid import Box, Grid
from latup_cli.imaging.nifti import read
from latup_cli.preprocess.brain import brain_mask
from phantom.fields import Array, Bools, smooth_field

TISSUES = ("csf", "gm", "wm")

_SMALLEST = 1e-4
_FILES = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """The ICBM 152 maps on their own grid.

    Attributes:
        fractions: (3, i, j, k) float64 in [0, 1]: CSF, gray and white matter.
        t1: (i, j, k) float64 in [0, 1], T1-weighted average, 0 outside the brain.
        grid: Their place in MNI space, RAS+ mm.
    """

    fractions: Array
    t1: Array
    grid: Grid


@dataclass(frozen=True, slots=True)
class Person:
    """What makes one brain differ from the average.

    Attributes:
        mni_from_sri: (3, 4) row-major affine in mm from SRI24 to MNI space.
        wide_warp_mm: Deviation of the displacements of whole lobes.
        fine_warp_mm: Deviation of the displacements of single gyri.
        sharpness: Exponent that undoes part of the averaging over 152 people.
        folding: Deviation of the random log-odds that make gyri irregular.
        odds: Factors on the odds of CSF, gray and white matter; a larger first one widens sulci
            and ventricles, as age does.
        shaved_mm: Depth of outer brain surface that skull stripping took away.
    """

    mni_from_sri: tuple[tuple[float, float, float, float], ...]
    wide_warp_mm: float
    fine_warp_mm: float
    sharpness: float
    folding: float
    odds: tuple[float, float, float]
    shaved_mm: float


@dataclass(frozen=True, slots=True)
class MassEffect:
    """A push away from a point: displacement r * strength * exp(-(r / reach)^2).

    Attributes:
        center_mm: Where it starts from, RAS+ mm in SRI24 space.
        strength: 0 pushes nothing; below 1 the tissue does not fold over.
        reach_mm: Distance at which the relative push has fallen to 1/e.
    """

    center_mm: tuple[float, float, float]
    strength: float
    reach_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Healthy tissue on the sample's grid, cropped to `box`.

    Attributes:
        fractions: (3, i, j, k) float64: CSF, gray and white matter; they add up to 1.
        detail: (i, j, k) float64, the template's T1 intensity less what the mixture explains.
        brain: (i, j, k) bool.
    """

    fractions: Array
    detail: Array
    brain: Bools


def read_template(folder: Path) -> Template:
    """Read the maps that nilearn ships, from its folder `datasets/data`."""
    images = {name: read(folder / _FILES.format(name)) for name in ("t1", "gm", "wm")}
    t1, gm, wm = (image.data.astype(np.float64) / 255.0 for image in images.values())
    csf = np.clip(1.0 - gm - wm, 0.0, 1.0)
    return Template(np.stack([csf, gm, wm]), t1, images["t1"].grid)


def ras_mm(grid: Grid, box: Box) -> Array:
    """(3, i, j, k) RAS+ mm of the voxel centers of a box of a grid."""
    block = grid.crop(box)
    index = np.indices(box.shape, dtype=np.float64)
    place = np.einsum("ab,bijk->aijk", block.ras_from_voxel[:3, :3], index)
    return np.asarray(place + block.ras_from_voxel[:3, 3].reshape(3, 1, 1, 1))


def grow_person(
    template: Template,
    person: Person,
    push: MassEffect,
    place: Array,
    rng: np.random.Generator,
) -> Anatomy:
    """Bend the average brain into an individual one.

    Args:
        template: The average.
        person: How far the individual is from it.
        push: What the tumor does to the tissue around it.
        place: (3, i, j, k) RAS+ mm of every voxel, SRI24 space.
        rng: Where the irregularities come from.
    """
    source = place - _push_mm(place, push) + _warp_mm(place.shape[1:], person, rng)
    voxel = _template_voxels(template.grid, person, source)
    t1 = _sample(template.t1, voxel)
    average = np.stack([_sample(part, voxel) for part in template.fractions])
    fractions = _individual(average, person, rng)
    return Anatomy(fractions, _detail(t1, average), _stripped(t1, person, rng))


def _push_mm(place: Array, push: MassEffect) -> Array:
    offset = place - np.reshape(push.center_mm, (3, 1, 1, 1))
    square = (offset**2).sum(axis=0)
    return np.asarray(offset * (push.strength * np.exp(-square / push.reach_mm**2)))


def _warp_mm(shape: tuple[int, ...], person: Person, rng: np.random.Generator) -> Array:
    i, j, k = shape
    axes = []
    for _ in range(3):
        wide = person.wide_warp_mm * smooth_field(rng, (i, j, k), 18.0)
        axes.append(wide + person.fine_warp_mm * smooth_field(rng, (i, j, k), 5.0))
    return np.stack(axes)


def _template_voxels(grid: Grid, person: Person, place: Array) -> Array:
    mni_from_sri = np.vstack([person.mni_from_sri, [0.0, 0.0, 0.0, 1.0]])
    voxel_from_sri = np.linalg.inv(grid.ras_from_voxel) @ mni_from_sri
    voxel = np.einsum("ab,bijk->aijk", voxel_from_sri[:3, :3], place)
    return np.asarray(voxel + voxel_from_sri[:3, 3].reshape(3, 1, 1, 1))


def _sample(values: Array, voxel: Array) -> Array:
    sampled: Array = ndimage.map_coordinates(values, voxel, order=1, mode="constant")
    return sampled


def _individual(average: Array, person: Person, rng: np.random.Generator) -> Array:
    """Sharpen averaged fractions and let chance decide where they leave it open."""
    _, i, j, k = average.shape
    odds = np.maximum(average, _SMALLEST) ** person.sharpness
    for tissue, factor in enumerate(person.odds):
        odds[tissue] *= factor * np.exp(person.folding * smooth_field(rng, (i, j, k), 2.0))
    fractions: Array = odds / odds.sum(axis=0)
    return fractions


def _detail(t1: Array, average: Array) -> Array:
    """T1 intensity that no mixture of three pure tissues explains: deep gray, tracts."""
    inside = t1 > 0.0
    parts = average[:, inside]
    pure, *_ = np.linalg.lstsq(parts.T, t1[inside], rcond=None)
    return np.where(inside, t1 - np.einsum("c,cijk->ijk", pure, average), 0.0)


def _stripped(t1: Array, person: Person, rng: np.random.Generator) -> Bools:
    i, j, k = t1.shape
    depth: Array = ndimage.distance_transform_edt(t1 > _SMALLEST)
    shaved = person.shaved_mm * (1.0 + 0.2 * smooth_field(rng, (i, j, k), 6.0))
    return brain_mask([ndimage.binary_opening(depth > np.maximum(shaved, 0.0))])
