"""Does each modality lie where the reference lies? Numbers that tell, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.finding import Finding
from latup_cli.domain.transform import Registration
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality import limits
from latup_cli.quality.coarse import Coarse, Image, coarsen, inner
from latup_cli.quality.residual import Pair, mutual_information, pair, residual_mm

_MARGIN_MM = 12.0
_FIXED = "fixed"
_MOVING = "moving"
_EDGE_SIGMA_MM = 2.0
_EDGE_DEPTH_MM = 4.0
_FOREGROUND = 0.1  # share of the brightest signal; air and noise lie below
_NO_MOTION: Mapping[str, Registration] = {}

Gradient = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one image lies over the reference.

    Attributes:
        mutual_information: 0 (independent) to 1, see `residual.mutual_information`.
        edges: Mean squared cosine between gradients, 1/3 (at random) to 1.
        overlap: Dice of what is not air in both, around the region, 0 to 1.
        residual_mm: How far they are still apart, see `residual.residual_mm`.
    """

    mutual_information: float
    edges: float
    overlap: float
    residual_mm: float


def check_registration(
    fixed: Volume,
    aligned: Mapping[str, Volume],
    region: Mask,
    *,
    motions: Mapping[str, Registration] = _NO_MOTION,
) -> tuple[Finding, ...]:
    """Judge whether images lie where the reference lies.

    Args:
        fixed: The reference, such as the T1ce.
        aligned: Modality to image on the same grid, without the reference.
        region: Brain or head on that grid, where they are compared.
        motions: Modality to what registration did; of these, the size of the motion and what
            it won are judged too.

    Raises:
        GeometryError: If an image or the region does not lie on the reference's grid.
        ValueError: If the region is empty.
    """
    coarse = coarsen({**aligned, _FIXED: fixed}, region, margin_mm=_MARGIN_MM)
    findings: list[Finding] = []
    for modality in aligned:
        findings += _judged(modality, _agreement(coarse, modality))
        if modality in motions:
            findings += _judged_motion(modality, motions[modality])
    return tuple(findings)


def agreement(fixed: Volume, image: Volume, region: Mask) -> Agreement:
    """Measure how well an image lies over the reference, in a region of their common grid.

    Raises:
        GeometryError: If the grids differ.
        ValueError: If the region is empty.
    """
    images = {_FIXED: fixed, _MOVING: image}
    return _agreement(coarsen(images, region, margin_mm=_MARGIN_MM), _MOVING)


def _agreement(coarse: Coarse, name: str) -> Agreement:
    first, second = (np.nan_to_num(coarse.images[which]) for which in (_FIXED, name))
    both: Pair = pair(first, second, coarse.region, coarse.spacing_mm)
    return Agreement(
        mutual_information(both),
        edge_agreement(first, second, coarse),
        overlap(first, second),
        residual_mm(both),
    )


def edge_agreement(first: Image, second: Image, coarse: Coarse) -> float:
    """Mean squared cosine between the gradients of two (i, j, k) images, by their strength.

    After Pluim et al., "Image registration by maximization of combined mutual information and
    gradient information", IEEE TMI 2000: edges of different contrast run along the same lines.
    The outermost 4 mm, where masks make edges of their own, are left out.
    """
    deep = inner(coarse.region, coarse.spacing_mm, _EDGE_DEPTH_MM)
    one, other = (_gradients(image, coarse)[:, deep] for image in (first, second))
    sizes = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    along = (one * other).sum(axis=0)
    total = float(sizes.sum())
    return float((along**2 / np.maximum(sizes, 1e-12)).sum()) / total if total > 0.0 else 0.0


def overlap(first: Image, second: Image) -> float:
    """Dice of what is not air in two (i, j, k) images, 0 to 1; 0 if there is nothing."""
    heads = [foreground(image) for image in (first, second)]
    sizes = sum(int(np.count_nonzero(head)) for head in heads)
    return 2.0 * float(np.count_nonzero(heads[0] & heads[1])) / sizes if sizes else 0.0


def foreground(image: Image) -> npt.NDArray[np.bool_]:
    """What is not air in (i, j, k), holes filled."""
    bright = np.nan_to_num(image)
    signal = bright[bright > 0]
    if signal.size == 0:
        return np.zeros(image.shape, dtype=np.bool_)
    head = bright > _FOREGROUND * float(np.quantile(signal, 0.99))
    return np.asarray(ndimage.binary_fill_holes(head))


def _gradients(image: Image, coarse: Coarse) -> Gradient:
    sigmas = [_EDGE_SIGMA_MM / mm for mm in coarse.spacing_mm]
    bright = ndimage.gaussian_filter(image, sigmas)
    # a few very bright voxels, such as vessels, shall not outweigh all tissue
    top = float(np.quantile(bright[coarse.region], 0.99))
    slopes = np.gradient(np.minimum(bright, top), *coarse.spacing_mm)
    return np.asarray(slopes, dtype=np.float32)


def _judged(modality: str, found: Agreement) -> Iterator[Finding]:
    yield limits.MUTUAL_INFORMATION[modality].finding(
        modality,
        found.mutual_information,
        f"The reference tells {found.mutual_information:.0%} of what {modality} shows.",
    )
    yield limits.EDGES[modality].finding(
        modality,
        found.edges,
        f"Edges of {modality} and the reference agree by {found.edges:.2f}; 0.33 is chance.",
    )
    yield limits.OVERLAP.finding(
        modality,
        found.overlap,
        f"Dice of what {modality} and the reference show: {found.overlap:.2f}.",
    )
    yield limits.RESIDUAL.finding(
        modality,
        found.residual_mm,
        f"{modality} would fit the reference best about {found.residual_mm:.1f} mm further on.",
    )


def _judged_motion(modality: str, motion: Registration) -> Iterator[Finding]:
    shift, turn = motion.translation_mm, motion.rotation_deg
    yield limits.SHIFT.finding(modality, shift, f"{modality} was moved by {shift:.1f} mm.")
    yield limits.TURN.finding(modality, turn, f"{modality} was turned by {turn:.1f} degrees.")
    won = motion.mutual_information_after - motion.mutual_information_before
    yield limits.WON.finding(
        modality, won, f"Registration of {modality} changed mutual information by {won:+.3f}."
    )
