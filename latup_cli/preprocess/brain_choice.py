"""Choose between brain masks of one head by what a brain looks like: size, wholeness, shape."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from latup_cli.domain.volume import Mask
from latup_cli.errors import GeometryError, NoBrainFoundError
from latup_cli.imaging.itk import components

# Measured with benchmarks/skull_strip.py --shape on the brains of 46 BraTS 2018-2021 subjects,
# tumors included: 1146 to 1747 mL, one component, symmetry 0.927 to 0.977, compactness 0.836 to
# 0.896. The limits leave room below.
BRAIN_ML = (700.0, 2000.0)
"""Volumes that an adult's brain can have."""
LEAST_IN_ONE = 0.99
"""Share of a mask that must hang together."""
LEAST_SYMMETRY = 0.88
LEAST_COMPACTNESS = 0.78
LEAST_AGREEMENT = 0.85
"""Dice with the mask that is most like it. Of two that differ, none can be blamed."""
CLEARLY = 0.03
"""By how much the mean of the shape figures must be better to overrule the order."""

_SAMPLE_MM = 4.0
_TILTS = np.radians(np.arange(-20.0, 21.0, 5.0))
_FINE = np.radians((-2.5, 0.0, 2.5))
_TWO = 2

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BrainFacts:
    """What is measured on a mask.

    Attributes:
        volume_ml: Its volume.
        in_one: Share of it in its largest component, in [0, 1].
        symmetry: Dice with its mirror image in the plane that suits it best.
        compactness: Its volume as a share of its convex hull's.
        agreement: Dice with the other mask that is most like it; None if there is none.
    """

    volume_ml: float
    in_one: float
    symmetry: float
    compactness: float
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class BrainChoice:
    """Which mask was chosen.

    Attributes:
        name: Its name among the candidates.
        reason: For people.
        problems: Rules that even the chosen mask breaks; empty if it looks like a brain.
        facts: Of every candidate, the chosen one included.
    """

    name: str
    reason: str
    problems: tuple[str, ...]
    facts: Mapping[str, BrainFacts]


def most_plausible(candidates: Mapping[str, Mask]) -> BrainChoice:
    """The first mask that looks like a brain, unless a later one clearly does more so.

    Args:
        candidates: Name to mask, all on one grid, the most trusted first.

    Raises:
        NoBrainFoundError: If every mask is empty.
        GeometryError: If the masks do not lie on one grid.
    """
    seen = {name: mask for name, mask in candidates.items() if mask.data.any()}
    if not seen:
        raise NoBrainFoundError(tuple(candidates))
    facts = {
        name: measure_brain(mask, [other for n, other in seen.items() if n != name])
        for name, mask in seen.items()
    }
    broken = {name: _all_problems(facts, name) for name in facts}
    fewest = min(map(len, broken.values()))
    left = [name for name in seen if len(broken[name]) == fewest]
    first, best = left[0], max(left, key=lambda name: _score(facts[name]))
    chosen = best if _score(facts[best]) > _score(facts[first]) + CLEARLY else first
    reason = _reason(chosen, tuple(candidates), facts, broken)
    return BrainChoice(chosen, reason, broken[chosen], MappingProxyType(facts))


def measure_brain(mask: Mask, others: Sequence[Mask] = ()) -> BrainFacts:
    """Measure a mask that is not empty, and compare it with others on its grid.

    Raises:
        GeometryError: If another mask lies elsewhere.
    """
    if not all(mask.grid.matches(other.grid) for other in others):
        raise GeometryError("Brain masks that are compared must lie on one grid.")
    return BrainFacts(
        volume_ml=mask.volume_ml,
        in_one=_share_in_one(mask.data),
        symmetry=symmetry(mask),
        compactness=compactness(mask),
        agreement=max((_dice(mask, other) for other in others), default=None),
    )


def problems_of(facts: BrainFacts) -> tuple[str, ...]:
    """The rules that a mask breaks, each as a phrase with its figure."""
    least, most = BRAIN_ML
    rules = (
        (least <= facts.volume_ml <= most, f"it has {facts.volume_ml:.0f} mL"),
        (facts.in_one >= LEAST_IN_ONE, f"only {facts.in_one:.0%} of it hang together"),
        (facts.symmetry >= LEAST_SYMMETRY, f"its halves differ (symmetry {facts.symmetry:.2f})"),
        (
            facts.compactness >= LEAST_COMPACTNESS,
            f"its outline is ragged (compactness {facts.compactness:.2f})",
        ),
    )
    return tuple(problem for holds, problem in rules if not holds)


def _all_problems(facts: Mapping[str, BrainFacts], name: str) -> tuple[str, ...]:
    """The rules that a mask breaks, alone or beside the others."""
    alike = facts[name].agreement
    if alike is None or alike >= LEAST_AGREEMENT or len(facts) <= _TWO:
        return problems_of(facts[name])
    return (*problems_of(facts[name]), f"no other is like it (Dice {alike:.2f})")


def symmetry(mask: Mask) -> float:
    """Dice of a mask and its mirror image, in [0, 1].

    The plane goes through the center of mass, across the left-right axis, turned by up to
    twenty degrees to either side and up or down, whichever suits the mask best.
    """
    points = _sample(mask)
    center = points.mean(axis=0)
    voxel_from_ras = np.linalg.inv(mask.grid.ras_from_voxel)

    def overlap(tilt: tuple[float, float]) -> float:
        yaw, roll = tilt
        across = np.array([1.0, np.tan(yaw), np.tan(roll)])
        across /= np.linalg.norm(across)
        mirrored = points - 2.0 * np.outer((points - center) @ across, across)
        return _share_inside(mask.data, mirrored @ voxel_from_ras[:3, :3].T + voxel_from_ras[:3, 3])

    coarse = max(itertools.product(_TILTS, _TILTS), key=overlap)
    near = itertools.product(*(angle + _FINE for angle in coarse))
    return max(overlap((float(yaw), float(roll))) for yaw, roll in near)


def compactness(mask: Mask) -> float:
    """A mask's volume as a share of its convex hull's, in (0, 1]; 1 for a ball."""
    first = np.argmax(mask.data, axis=0)
    last = mask.data.shape[0] - 1 - np.argmax(mask.data[::-1], axis=0)
    j, k = np.nonzero(mask.data.any(axis=0))
    faces = [(first[j, k] - 0.5, j, k), (last[j, k] + 0.5, j, k)]
    rows = np.concatenate([np.stack(face, axis=1) for face in faces])
    edges = [(0.0, *half) for half in itertools.product((-0.5, 0.5), repeat=2)]
    corners = np.concatenate([rows + edge for edge in edges])
    hull_ml = float(ConvexHull(corners).volume) * mask.grid.voxel_ml
    return mask.volume_ml / hull_ml


def _sample(mask: Mask) -> Points:
    """(n, 3) RAS+ mm positions of a mask's voxels, about every 4 mm."""
    steps = [max(1, round(_SAMPLE_MM / size)) for size in mask.grid.spacing_mm]
    voxels = np.argwhere(mask.data[tuple(slice(None, None, step) for step in steps)])
    if not len(voxels):
        voxels, steps = np.argwhere(mask.data), [1, 1, 1]
    affine = mask.grid.ras_from_voxel
    positions: Points = (voxels * steps) @ affine[:3, :3].T + affine[:3, 3]
    return positions


def _share_inside(data: npt.NDArray[np.bool_], positions: Points) -> float:
    """Share of (n, 3) voxel positions that lie in a mask."""
    index = np.rint(positions).astype(np.intp)
    valid = ((index >= 0) & (index < data.shape)).all(axis=1)
    return int(data[tuple(index[valid].T)].sum()) / len(index)


def _share_in_one(data: npt.NDArray[np.bool_]) -> float:
    numbers, _ = components(data)
    sizes = np.bincount(numbers.ravel(order="K"))[1:]
    return float(sizes.max() / sizes.sum())


def _dice(one: Mask, other: Mask) -> float:
    both = int(np.count_nonzero(one.data & other.data))
    return 2.0 * both / (int(np.count_nonzero(one.data)) + int(np.count_nonzero(other.data)))


def _score(facts: BrainFacts) -> float:
    """Mean of the shape figures."""
    return (facts.symmetry + facts.compactness) / 2.0


def _reason(
    chosen: str,
    order: tuple[str, ...],
    facts: Mapping[str, BrainFacts],
    broken: Mapping[str, tuple[str, ...]],
) -> str:
    """Why this mask, and what speaks against those before it."""
    words = [f"from the {chosen}: {facts[chosen].volume_ml:.0f} mL"]
    for name in order[: order.index(chosen)]:
        if name not in facts:
            words.append(f"no brain was seen in the {name}")
        elif len(broken[name]) > len(broken[chosen]):
            words.append(f"that from the {name} is no brain: {', '.join(broken[name])}")
        else:
            gain = _score(facts[chosen]) - _score(facts[name])
            words.append(f"its shape is better than that from the {name} by {gain:.2f}")
    if broken[chosen]:
        words.append(f"yet {', '.join(broken[chosen])}")
    return "; ".join(words)
