"""Can this mask be a brain? Volume, pieces, symmetry, what it cuts off, what was not scanned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.finding import Finding
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality import limits
from latup_cli.quality.coarse import Coarse, Region, coarsen, inner, smooth

_PIECE_ML = 1.0
_SYMMETRY_MM = 4.0
_TILTS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_FINE_DEG = (-5.0, 0.0, 5.0)
_SHELL_MM = 5.0
_TOUCHING_MM = 1.0
_DEPTH_MM = 8.0
_FIELD_MM = 24.0
_BRIGHT = 3.0  # robust standard deviations above the median of the brain
_NORMAL = 1.4826

Points = npt.NDArray[np.float64]


def check_brain(
    images: Mapping[str, Volume], brain: Mask, *, uncleaned: Mask | None = None
) -> tuple[Finding, ...]:
    """Judge a brain mask by itself and by the images on its grid.

    Args:
        images: Modality to image; bright signal is looked for in "t2" and "flair".
        brain: The brain, tumor included.
        uncleaned: The mask before its pieces were removed; the same if not given.

    Raises:
        GeometryError: If an image does not lie on the mask's grid.
        ValueError: If the mask is empty.
    """
    pieces = count_pieces(brain if uncleaned is None else uncleaned)
    mirrored, border = symmetry(brain), border_cm2(brain)
    ml = brain.volume_ml
    findings = [
        limits.VOLUME.finding("", ml, f"The brain has {ml:.0f} mL."),
        limits.PIECES.finding("", pieces, f"The brain was found in {pieces} piece(s) over 1 mL."),
        limits.SYMMETRY.finding("", mirrored, f"Dice of the brain and its mirror: {mirrored:.2f}."),
        limits.BORDER.finding("", border, f"The scan's border cuts {border:.0f} cm2 of the brain."),
    ]
    return (*findings, *_left_out(images, brain), *_seen(images, brain), *_cut_off(images, brain))


def count_pieces(mask: Mask) -> int:
    """Components of at least 1 mL; voxels that share a face belong together."""
    labels, _ = ndimage.label(mask.data)
    sizes = np.bincount(labels.ravel())[1:] * mask.grid.voxel_ml
    return int(np.count_nonzero(sizes >= _PIECE_ML))


def symmetry(brain: Mask) -> float:
    """Best Dice of the brain with its mirror image, over planes between left and right.

    Planes go through the center of gravity and are tilted by up to 25 degrees about the other
    two axes, for heads lie as they lie.

    Raises:
        ValueError: If the mask is empty.
    """
    small = coarsen({}, brain, to_mm=_SYMMETRY_MM)
    axes = brain.grid.ras_from_voxel[:3, :3] / brain.grid.spacing_mm * small.spacing_mm
    away = np.argwhere(small.region) @ axes.T
    away -= away.mean(axis=0)
    center = np.argwhere(small.region).mean(axis=0)
    back: Points = np.linalg.inv(axes).astype(np.float64)
    score = {
        tilt: _mirror_dice(away, tilt, small.region, back, center)
        for tilt in product(_TILTS_DEG, _TILTS_DEG)
    }
    best = max(score, key=lambda tilt: score[tilt])
    near = [(best[0] + yaw, best[1] + roll) for yaw, roll in product(_FINE_DEG, _FINE_DEG)]
    return max(_mirror_dice(away, tilt, small.region, back, center) for tilt in near)


def border_cm2(brain: Mask) -> float:
    """How much of the volume's faces lies in the brain, in cm2."""
    total = 0.0
    for axis in range(3):
        mm2 = brain.grid.voxel_ml * 1000.0 / brain.grid.spacing_mm[axis]
        for end in (0, -1):
            total += float(np.count_nonzero(brain.data.take(end, axis=axis))) * mm2 / 100.0
    return total


def cut_off_ml(images: Mapping[str, Volume], brain: Mask) -> float:
    """Bright T2 and FLAIR signal just outside the mask that goes on inside it, in mL.

    Bright in both is edema or tumor; CSF is dark in FLAIR. Images that are 0 outside the mask
    show nothing there, and have 0.
    """
    coarse = coarsen({m: images[m] for m in ("t2", "flair")}, brain, margin_mm=2.0 * _SHELL_MM)
    bright = np.all([_bright(coarse, name) for name in coarse.images], axis=0)
    bright = ndimage.binary_opening(bright)
    away = ndimage.distance_transform_edt(~coarse.region, sampling=coarse.spacing_mm)
    labels, _ = ndimage.label(bright & (away <= _SHELL_MM))
    inside = np.bincount(labels[coarse.region], minlength=int(labels.max()) + 1)
    outside = np.bincount(labels[~coarse.region], minlength=int(labels.max()) + 1)
    goes_on = inside >= np.maximum(outside, 1)  # most of it is in the brain, so it is no fat
    goes_on[0] = False
    return float(outside[goes_on].sum()) * coarse.voxel_ml


def brain_like_percent(images: Mapping[str, Volume], brain: Mask) -> float:
    """Share of a shell of 1 to 5 mm around the mask that looks like brain in all images.

    Like brain is what lies between the 10th and 95th percentile of the brain's depth. Around a
    whole brain there is CSF, skull, or nothing; around a mask that is too small, brain.
    """
    coarse = coarsen(images, brain, margin_mm=2.0 * _SHELL_MM)
    away = ndimage.distance_transform_edt(~coarse.region, sampling=coarse.spacing_mm)
    shell = (away > _TOUCHING_MM) & (away <= _SHELL_MM)
    deep = inner(coarse.region, coarse.spacing_mm, _DEPTH_MM)
    if not (shell.any() and deep.any()):
        return 0.0
    alike = np.ones(int(np.count_nonzero(shell)), dtype=np.bool_)
    for image in coarse.images.values():
        low, high = np.quantile(image[deep], (0.1, 0.95))
        alike &= (image[shell] > max(float(low), 0.0)) & (image[shell] < high)
    return 100.0 * float(np.mean(alike))


def _mirror_dice(
    away: Points, tilt: tuple[float, float], region: Region, back: Points, center: Points
) -> float:
    """Dice of points (n, 3), in mm from their center, with their mirror image."""
    yaw, roll = np.radians(tilt)
    normal = np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
    mirrored = away - 2.0 * np.outer(away @ normal, normal)
    index = np.rint(mirrored @ back.T + center).astype(np.intp)
    seen = ((index >= 0) & (index < region.shape)).all(axis=1)
    return float(np.count_nonzero(region[tuple(index[seen].T)])) / len(away)


def _bright(coarse: Coarse, name: str) -> Region:
    image = np.nan_to_num(coarse.images[name])
    flat = image / np.maximum(smooth(image, coarse.region, coarse.spacing_mm, _FIELD_MM), 1e-12)
    inside = flat[coarse.region]
    middle = float(np.median(inside))
    spread = _NORMAL * float(np.median(np.abs(inside - middle)))
    return np.asarray(flat > middle + _BRIGHT * spread)


def _left_out(images: Mapping[str, Volume], brain: Mask) -> Iterator[Finding]:
    t1_like = {name: images[name] for name in ("t1", "t1ce") if name in images}
    if t1_like:
        share = brain_like_percent(t1_like, brain)
        meaning = f"{share:.0f} percent of what surrounds the brain mask looks like brain."
        yield limits.LEFT_OUT.finding("", share, meaning)


def _seen(images: Mapping[str, Volume], brain: Mask) -> Iterator[Finding]:
    size = int(np.count_nonzero(brain.data))
    for name, image in images.items():
        seen = 100.0 * float(np.count_nonzero(image.data[brain.data])) / size
        meaning = f"{name} shows {seen:.0f} percent of the brain; the rest is 0."
        yield limits.COVERED.finding(name, seen, meaning)


def _cut_off(images: Mapping[str, Volume], brain: Mask) -> Iterator[Finding]:
    if {"t2", "flair"} <= images.keys():
        ml = cut_off_ml(images, brain)
        meaning = f"{ml:.1f} mL of signal bright in T2 and FLAIR go on outside the brain mask."
        yield limits.CUT_OFF.finding("t2, flair", ml, meaning)
