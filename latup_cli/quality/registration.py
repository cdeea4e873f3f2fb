"""Does each modality lie where the reference lies? Numbers that tell, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Finding
from latup_cli.domain.transform import Registration
from latup_cli.imaging.itk import filled
from latup_cli.quality import limits
from latup_cli.quality.coarse import Coarse, Image, Region
from latup_cli.quality.nearby import gaussian, inner
from latup_cli.quality.residual import Fixed, held, mutual_information, pair, residual_mm

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


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the others are compared with, measured once.

    Attributes:
        coarse: All images.
        fixed: The reference in bins.
        deep: (i, j, k) bool: where edges are compared.
        edges: (3, n) gradient of the reference there.
        head: (i, j, k) bool: what is not air.
    """

    coarse: Coarse
    fixed: Fixed
    deep: Region
    edges: Gradient
    head: Region

    @classmethod
    def of(cls, coarse: Coarse, name: str) -> Reference:
        """Measure one of the images."""
        image = np.nan_to_num(coarse.images[name])
        deep = inner(coarse.region, coarse.spacing_mm, _EDGE_DEPTH_MM)
        fixed = held(image, coarse.region, coarse.spacing_mm)
        return cls(coarse, fixed, deep, gradients(image, coarse, deep), foreground(image))


def check_registration(
    coarse: Coarse, reference: str, *, motions: Mapping[str, Registration] = _NO_MOTION
) -> tuple[Finding, ...]:
    """Judge whether images lie where the reference lies.

    Args:
        coarse: The images around the brain or the head, in which they are compared, with a
            margin of `MARGIN_MM`.
        reference: Name of the image that the others should lie over, such as "t1ce".
        motions: Modality to what registration did; of these, the size of the motion and what
            it won are judged too.
    """
    against = Reference.of(coarse, reference)
    findings: list[Finding] = []
    for modality in coarse.images:
        if modality == reference:
            continue
        findings += _judged(modality, agreement(against, modality))
        if modality in motions:
            findings += _judged_motion(modality, motions[modality])
    return tuple(findings)


def agreement(reference: Reference, name: str) -> Agreement:
    """Measure how well one of the images lies over the reference."""
    image = np.nan_to_num(reference.coarse.images[name])
    both = pair(reference.fixed, image)
    return Agreement(
        mutual_information(both),
        edge_agreement(reference.edges, gradients(image, reference.coarse, reference.deep)),
        overlap(reference.head, foreground(image)),
        residual_mm(both),
    )


def edge_agreement(first: Gradient, second: Gradient) -> float:
    """Mean squared cosine between gradients (3, n) of two images, by their strength.

    After Pluim et al., "Image registration by maximization of combined mutual information and
    gradient information", IEEE TMI 2000: edges of different contrast run along the same lines.
    """
    sizes = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    along = (first * second).sum(axis=0)
    total = float(sizes.sum())
    return float((along**2 / np.maximum(sizes, 1e-12)).sum()) / total if total > 0.0 else 0.0


def overlap(first: Region, second: Region) -> float:
    """Dice of two sets (i, j, k), 0 to 1; 0 if there is nothing."""
    sizes = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2.0 * float(np.count_nonzero(first & second)) / sizes if sizes else 0.0


def foreground(image: Image) -> Region:
    """What is not air in (i, j, k), holes filled."""
    bright = np.nan_to_num(image)
    signal = bright[bright > 0]
    if signal.size == 0:
        return np.zeros(image.shape, dtype=np.bool_)
    head = bright > _FOREGROUND * float(np.quantile(signal, 0.99))
    return filled(head)


def gradients(image: Image, coarse: Coarse, deep: Region) -> Gradient:
    """(3, n) slopes per mm of an (i, j, k) image at n voxels that lie deep in the region.

    Nearer to its border, masks make edges of their own.
    """
    bright = gaussian(image, [_EDGE_SIGMA_MM / mm for mm in coarse.spacing_mm])
    # a few very bright voxels, such as vessels, shall not outweigh all tissue
    top = np.quantile(bright[coarse.region], 0.99).astype(np.float32)
    slopes = np.gradient(np.minimum(bright, top), *coarse.spacing_mm)
    return np.stack([slope[deep] for slope in slopes]).astype(np.float32)


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
