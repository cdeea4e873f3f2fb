"""Lesion-wise scores of BraTS 2023: every lesion counts the same, however small.

Method: Saluja et al., "BraTS 2023 lesion-wise performance metrics" (the challenge's published
description and scores); HD95 is that of `surface.hausdorff95`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.config import LesionChallenge
from latup_cli.domain.grid import Box
from latup_cli.evaluation.overlap import dice
from latup_cli.evaluation.surface import hausdorff95

Components: TypeAlias = npt.NDArray[np.int32]
"""(i, j, k): 0 outside, n in the n-th connected component."""

MISSED_MM = 374.0
"""HD95 of a lesion that was missed or made up."""

_EDGES = ndimage.generate_binary_structure(3, 2)  # 18 neighbors
_CORNERS = ndimage.generate_binary_structure(3, 3)  # 26 neighbors


@dataclass(frozen=True, slots=True)
class LesionRule:
    """What counts as one lesion.

    Attributes:
        steps: Dilations of the reference; lesions that then touch are one.
        ignored_mm3: Reference lesions of at most this volume count neither way.
    """

    steps: int
    ignored_mm3: float


RULES: Mapping[LesionChallenge, LesionRule] = MappingProxyType(
    {
        LesionChallenge.GLI: LesionRule(steps=3, ignored_mm3=50.0),
        LesionChallenge.MET: LesionRule(steps=1, ignored_mm3=2.0),
    }
)


@dataclass(frozen=True, slots=True)
class LesionScores:
    """How well the lesions of one region were found.

    Attributes:
        dice: Mean over reference lesions and false positives, which count 0.
        hd95_mm: Mean over the same; false positives and missed lesions count 374 mm.
        found: Reference lesions that a predicted lesion touches after dilation.
        missed: Reference lesions that none touches.
        made_up: Predicted lesions that touch no reference lesion.
    """

    dice: float
    hd95_mm: float
    found: int
    missed: int
    made_up: int


def lesion_scores(
    prediction: npt.NDArray[np.bool_],
    reference: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    rule: LesionRule,
) -> LesionScores:
    """Compare lesion by lesion.

    Each reference lesion is compared with all predicted components that touch it after
    dilation. Without any lesion, counted or made up, Dice is 1 and HD95 is 0.

    Args:
        prediction: (i, j, k) bool.
        reference: (i, j, k) bool.
        spacing_mm: Distance of voxel centers along i, j, k.
        rule: What counts as one lesion.
    """
    box = Box.around(prediction | reference, margin=rule.steps)
    prediction, reference = prediction[box.slices], reference[box.slices]
    zones = lesion_zones(reference, rule.steps)
    predicted, components = _labeled(prediction)
    zone_of, component_of = touching(zones, predicted)
    sizes = np.bincount(zones[reference], minlength=int(zones.max(initial=0)) + 1)
    volumes_mm3 = np.round(sizes * np.prod(spacing_mm), 3)  # headers are in single precision
    counted = np.flatnonzero(volumes_mm3 > rule.ignored_mm3)
    pairs = []
    for zone in counted:
        matched = component_of[zone_of == zone]
        if matched.size:
            pairs.append(
                _compare(np.isin(predicted, matched), reference & (zones == zone), spacing_mm)
            )
    made_up = components - np.unique(component_of).size
    missed = counted.size - len(pairs)
    return _averaged(pairs, missed=missed, made_up=made_up)


def lesion_zones(reference: npt.NDArray[np.bool_], steps: int) -> Components:
    """The reference dilated by steps of 18 neighbors, in 26-connected components.

    A voxel's dilation is connected, so the part of the reference in a zone is one lesion, and
    the zone is that lesion's dilation.
    """
    if not reference.any():
        return np.zeros(reference.shape, dtype=np.int32)
    zones, _ = _labeled(ndimage.binary_dilation(reference, _EDGES, iterations=steps))
    return zones


def touching(
    zones: Components, predicted: Components
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Pairs of a zone and a predicted component that share a voxel, each pair once."""
    shared = (zones > 0) & (predicted > 0)
    pairs = np.unique(np.stack([zones[shared], predicted[shared]]), axis=1)
    return pairs[0], pairs[1]


def _labeled(mask: npt.NDArray[np.bool_]) -> tuple[Components, int]:
    components, count = ndimage.label(mask, _CORNERS)
    return components.astype(np.int32, copy=False), int(count)


def _compare(
    prediction: npt.NDArray[np.bool_],
    reference: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> tuple[float, float]:
    return dice(prediction, reference), hausdorff95(prediction, reference, spacing_mm)


def _averaged(pairs: list[tuple[float, float]], *, missed: int, made_up: int) -> LesionScores:
    lost = missed + made_up
    total = len(pairs) + lost
    return LesionScores(
        dice=sum(pair[0] for pair in pairs) / total if total else 1.0,
        hd95_mm=(sum(pair[1] for pair in pairs) + lost * MISSED_MM) / total if total else 0.0,
        found=len(pairs),
        missed=missed,
        made_up=made_up,
    )
