"""Can this mask be a brain? Volume, pieces, symmetry, what it cuts off, what was not scanned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Finding
from latup_cli.domain.grid import Box
from latup_cli.domain.volume import Mask, Volume
from latup_cli.imaging.itk import components
from latup_cli.quality import limits
from latup_cli.quality.coarse import Coarse, Image, Region, coarsen
from latup_cli.quality.nearby import away_mm, flattened, inner, opened

_PIECE_ML = 1.0
_SYMMETRY_MM = 4.0
_TILTS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_FINE_DEG = (-5.0, 0.0, 5.0)
_SHELL_MM = 5.0
_TOUCHING_MM = 1.0
_DEPTH_MM = 8.0
_BRIGHT = 3.0  # robust standard deviations above the median of the brain
_NORMAL = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class Mirror:
    """A coarse brain whose mirror images can be laid over it.

    Attributes:
        away_mm: (n, 3) where its voxels lie, from their center of gravity.
        region: The brain with a rim of one empty voxel.
        center: (3,) index of the center of gravity in it.
        voxel_from_mm: (3, 3).
    """

    away_mm: npt.NDArray[np.float32]
    region: Region
    center: npt.NDArray[np.float32]
    voxel_from_mm: npt.NDArray[np.float32]

    @classmethod
    def of(cls, small: Coarse) -> Mirror:
        """Make a brain ready."""
        region = np.pad(small.region, 1)
        index = np.argwhere(region)
        center = index.mean(axis=0)
        mm_from_voxel = small.grid.ras_from_voxel[:3, :3]
        away, middle, back = (
            part.astype(np.float32)
            for part in ((index - center) @ mm_from_voxel.T, center, np.linalg.inv(mm_from_voxel))
        )
        return cls(away, region, middle, back)

    def dice(self, tilt_deg: tuple[float, float]) -> float:
        """Dice of the brain and its mirror image, at a plane through its center of gravity."""
        yaw, roll = np.radians(tilt_deg)
        normal = np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
        reflection = (np.eye(3) - 2.0 * np.outer(normal, normal)).astype(np.float32)
        places = self.away_mm @ (self.voxel_from_mm @ reflection).T + self.center
        last = np.array(self.region.shape, dtype=np.intp) - 1
        index = np.clip(np.rint(places).astype(np.intp), 0, last)  # the rim is empty
        return float(np.count_nonzero(self.region[tuple(index.T)])) / len(places)


def check_brain(
    images: Mapping[str, Volume], brain: Mask, coarse: Coarse, *, uncleaned: Mask | None = None
) -> tuple[Finding, ...]:
    """Judge a brain mask by itself and by the images on its grid.

    Args:
        images: Modality to image; bright signal is looked for in "t2" and "flair".
        brain: The brain, tumor included.
        coarse: The same images around the brain, with a margin of `MARGIN_MM`.
        uncleaned: The mask before its pieces were removed; the same if not given.
    """
    pieces = count_pieces(brain if uncleaned is None else uncleaned)
    mirrored, border = symmetry(coarse), border_cm2(brain)
    ml = brain.volume_ml
    findings = [
        limits.VOLUME.finding("", ml, f"The brain has {ml:.0f} mL."),
        limits.PIECES.finding("", pieces, f"The brain was found in {pieces} piece(s) over 1 mL."),
        limits.SYMMETRY.finding("", mirrored, f"Dice of the brain and its mirror: {mirrored:.2f}."),
        limits.BORDER.finding("", border, f"The scan's border cuts {border:.0f} cm2 of the brain."),
    ]
    return (*findings, *_left_out(coarse), *_seen(images, brain), *_cut_off(coarse))


def count_pieces(mask: Mask) -> int:
    """Components of at least 1 mL; voxels that share a face belong together."""
    inside = mask.data[Box.around(mask.data).slices]
    labels, _ = components(inside)
    sizes = np.bincount(labels.ravel(order="K"))[1:] * mask.grid.voxel_ml
    return int(np.count_nonzero(sizes >= _PIECE_ML))


def symmetry(coarse: Coarse) -> float:
    """Best Dice of the brain with its mirror image, over planes between left and right.

    Planes go through the center of gravity and are tilted by up to 25 degrees about the other
    two axes, for heads lie as they lie.

    Raises:
        ValueError: If the region is empty.
    """
    brain = Mask(coarse.region, coarse.grid)
    mirror = Mirror.of(coarsen({}, brain, margin_mm=0.0, to_mm=_SYMMETRY_MM))
    score = {tilt: mirror.dice(tilt) for tilt in product(_TILTS_DEG, _TILTS_DEG)}
    best = max(score, key=lambda tilt: score[tilt])
    near = [(best[0] + yaw, best[1] + roll) for yaw, roll in product(_FINE_DEG, _FINE_DEG)]
    return max(score.get(tilt) or mirror.dice(tilt) for tilt in near)


def border_cm2(brain: Mask) -> float:
    """How much of the volume's faces lies in the brain, in cm2."""
    total = 0.0
    for axis in range(3):
        mm2 = brain.grid.voxel_ml * 1000.0 / brain.grid.spacing_mm[axis]
        faces = np.moveaxis(brain.data, axis, 0)[[0, -1]]
        total += float(np.count_nonzero(faces)) * mm2 / 100.0
    return total


def cut_off_ml(coarse: Coarse) -> float:
    """Bright T2 and FLAIR signal just outside the region that goes on inside it, in mL.

    Bright in both is edema or tumor; CSF is dark in FLAIR. Images that are 0 outside the mask
    show nothing there, and have 0.
    """
    near = coarse.cropped(2.0 * _SHELL_MM)
    bright = opened(_bright(near, ("t2", "flair")))
    reach = away_mm(near.region, near.spacing_mm, _SHELL_MM) <= _SHELL_MM
    labels, count = components(bright & reach)
    inside = np.bincount(labels[near.region], minlength=count + 1)
    outside = np.bincount(labels[~near.region], minlength=count + 1)
    goes_on = inside >= np.maximum(outside, 1)  # most of it is in the brain, so it is no fat
    goes_on[0] = False
    return float(outside[goes_on].sum()) * near.voxel_ml


def brain_like_percent(coarse: Coarse, names: Collection[str]) -> float:
    """Share of a shell of 1 to 5 mm around the region that looks like brain in some images.

    Like brain is what lies between the 10th and 95th percentile of the brain's depth. Around a
    whole brain there is CSF, skull, or nothing; around a mask that is too small, brain.
    """
    near = coarse.cropped(2.0 * _SHELL_MM)
    away = away_mm(near.region, near.spacing_mm, _SHELL_MM)
    shell = (away > _TOUCHING_MM) & (away <= _SHELL_MM)
    deep = inner(near.region, near.spacing_mm, _DEPTH_MM)
    if not (shell.any() and deep.any()):
        return 0.0
    alike = np.ones(int(np.count_nonzero(shell)), dtype=np.bool_)
    for image in (near.images[name] for name in names):
        low, high = np.quantile(image[deep], (0.1, 0.95))
        around = image[shell]
        alike &= (around > max(float(low), 0.0)) & (around < high)
    return 100.0 * float(np.mean(alike))


def _bright(coarse: Coarse, names: Sequence[str]) -> Region:
    """Where all of some images are bright for a brain, coil sensitivity removed."""
    bright = np.ones(coarse.region.shape, dtype=np.bool_)
    for name in names:
        image = np.nan_to_num(coarse.images[name])
        flat = flattened(image, coarse.region, coarse.spacing_mm)
        bright &= flat > _bright_from(flat[coarse.region])
    return bright


def _bright_from(inside: Image) -> np.float32:
    middle = np.median(inside)
    spread = _NORMAL * np.median(np.abs(inside - middle))
    return np.float32(middle + _BRIGHT * spread)


def _left_out(coarse: Coarse) -> Iterator[Finding]:
    t1_like = [name for name in ("t1", "t1ce") if name in coarse.images]
    if t1_like:
        share = brain_like_percent(coarse, t1_like)
        meaning = f"{share:.0f} percent of what surrounds the brain mask looks like brain."
        yield limits.LEFT_OUT.finding("", share, meaning)


def _seen(images: Mapping[str, Volume], brain: Mask) -> Iterator[Finding]:
    box = Box.around(brain.data).slices
    inside = brain.data[box]
    size = int(np.count_nonzero(inside))
    for name, image in images.items():
        seen = 100.0 * float(np.count_nonzero((image.data[box] != 0) & inside)) / size
        meaning = f"{name} shows {seen:.0f} percent of the brain; the rest is 0."
        yield limits.COVERED.finding(name, seen, meaning)


def _cut_off(coarse: Coarse) -> Iterator[Finding]:
    if {"t2", "flair"} <= coarse.images.keys():
        ml = cut_off_ml(coarse)
        meaning = f"{ml:.1f} mL of signal bright in T2 and FLAIR go on outside the brain mask."
        yield limits.CUT_OFF.finding("t2, flair", ml, meaning)
