"""Find the rigid motion between two images of one head, by mutual information.

Three images of falling voxel size are laid over each other in turn. At the coarsest, many
starts are scored, so that a head turned by thirty degrees is found; at the finest, the best two
are followed to the end, and how far apart they end says how well the answer is determined.
Everything runs in one thread with a fixed seed: the same images give the same bits anywhere.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.transform import Points, Registration, RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.errors import RegistrationFailedError
from latup_cli.imaging.itk import rigid_from_itk, rigid_to_itk, to_itk
from latup_cli.preprocess.resample import resample
from latup_cli.preprocess.similarity import FOREGROUND, Fit, compare, to_unit


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of the pyramid, and how the optimizer walks on it.

    Attributes:
        spacing_mm: Of both images.
        bins: Of the joint histogram, along each axis.
        samples: Places in the head that are looked at, at most.
        first_step_mm: Longest step.
        last_step_mm: Step at which the walk ends.
        iterations: Most steps.
    """

    spacing_mm: float
    bins: int
    samples: int
    first_step_mm: float
    last_step_mm: float
    iterations: int


COARSE: Final = Level(8.0, 32, 20_000, 4.0, 0.05, 60)
MIDDLE: Final = Level(4.0, 32, 15_000, 2.0, 0.02, 80)
FINE: Final = Level(2.0, 48, 30_000, 1.0, 0.01, 100)
FINEST: Final = Level(1.5, 48, 60_000, 0.5, 0.003, 100)

_SEED = 20
_RIM_MM = 8.0
_TURNS_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
_MOST_TURN_DEG = 34.0
_FOLLOWED = 4  # coarse starts that are walked from
_TOLERANCE = 1e-6
_RELAXATION = 0.7  # halving the step at each turn ends a walk along a ridge too early

_Started: TypeAlias = tuple[float, str, RigidTransform]
"""A score in nats, the kind of start, and where it led."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Both images at one level, the head to look at, and the share of voxels looked at."""

    level: Level
    fixed: sitk.Image
    moving: sitk.Image
    head: sitk.Image
    share: float
    center: Points


def register(fixed: Volume, moving: Volume, *, modality: str) -> Registration:
    """Find where the head of `fixed` lies in `moving`.

    Args:
        fixed: The reference, such as the T1ce; a whole head or a stripped brain.
        moving: Another modality of the same head, of the same kind.
        modality: Its name, for the record.

    Returns:
        The motion and numbers to judge it by. Among `numbers`: `head_overlap` (Dice of the two
        heads), `inside_share` (of the reference's head within the field of view), both also
        with `_before`; `repeat_mm` (distance, averaged over the head, between the ends of two
        walks from different starts).

    Raises:
        RegistrationFailedError: If an image is blank or the heads cannot be made to overlap.
        GeometryError: If a grid is sheared.
    """
    started = time.perf_counter()
    fixed, moving = _usable(fixed, "the reference"), _usable(moving, modality)
    here = _center(fixed)
    first, second = _coarse(fixed, moving, here, modality)
    best, repeat_mm = _refined(fixed, moving, (first, second), here)
    before, after = (
        compare(fixed, moving, transform) for transform in (RigidTransform.identity(), best[2])
    )
    return Registration(
        modality=modality,
        transform=best[2],
        mutual_information_before=before.mutual_information,
        mutual_information_after=after.mutual_information,
        rotation_deg=best[2].rotation_deg,
        translation_mm=best[2].translation_mm(here),
        start=best[1],
        seconds=time.perf_counter() - started,
        numbers={**_overlaps(before, after), "repeat_mm": repeat_mm},
    )


def _coarse(
    fixed: Volume, moving: Volume, here: Points, modality: str
) -> tuple[_Started, _Started]:
    """The two best ends of walks from the headers, the centers, and turned heads."""
    pair = _pair(fixed, moving, COARSE, here)
    centers = RigidTransform.about(here, np.eye(3), _center(moving) - here)
    plain = [
        _walk(pair, (0.0, name, start))
        for name, start in (("headers", RigidTransform.identity()), ("centers", centers))
    ]
    base = max(plain, key=_score)
    turned = [(_evaluate(pair, turn), "search", turn) for turn in _turned(base[2], here)]
    walked = [_walk(pair, start) for start in sorted(turned, key=_score)[-_FOLLOWED:]]
    first, second, *_ = sorted((*plain, *walked), key=_score, reverse=True)
    if not math.isfinite(first[0]):
        raise RegistrationFailedError(modality, "its head and the reference's do not overlap")
    return first, second


def _refined(
    fixed: Volume, moving: Volume, starts: Iterable[_Started], here: Points
) -> tuple[_Started, float]:
    """The best end at the finest level, and how far from each other two ends lie in mm."""
    middle, fine = (_pair(fixed, moving, level, here) for level in (MIDDLE, FINE))
    ends = [_walk(fine, _walk(middle, start)) for start in starts]
    apart = ends[0][2].mean_displacement_mm(ends[1][2], _head_points(fixed))
    best = max(ends, key=_score)
    return _walk(_pair(fixed, moving, FINEST, here), best), apart


def _walk(pair: _Pair, start: _Started) -> _Started:
    """Climb to higher mutual information; where that is impossible, the score is -inf."""
    _, name, transform = start
    euler = rigid_to_itk(transform, pair.center)
    method = _method(pair)
    level = pair.level
    method.SetOptimizerAsRegularStepGradientDescent(
        level.first_step_mm,
        level.last_step_mm,
        level.iterations,
        relaxationFactor=_RELAXATION,
        gradientMagnitudeTolerance=_TOLERANCE,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(euler, inPlace=True)
    try:
        method.Execute(pair.fixed, pair.moving)
    except RuntimeError:  # ITK: all samples lie outside the moving image
        return -math.inf, name, transform
    end = rigid_from_itk(euler)
    return _evaluate(pair, end), name, end


def _evaluate(pair: _Pair, transform: RigidTransform) -> float:
    """Mattes mutual information in nats; -inf where the images hardly overlap."""
    method = _method(pair)
    method.SetInitialTransform(rigid_to_itk(transform, pair.center))
    try:
        return -float(method.MetricEvaluate(pair.fixed, pair.moving))
    except RuntimeError:
        return -math.inf


def _method(pair: _Pair) -> sitk.ImageRegistrationMethod:
    """The metric, in one thread: sums of several come in any order and differ in their last bit."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(pair.level.bins)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(pair.share, _SEED)
    method.SetMetricFixedMask(pair.head)
    method.SetInterpolator(sitk.sitkLinear)
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    return method


def _pair(fixed: Volume, moving: Volume, level: Level, center: Points) -> _Pair:
    """Both images at the level's spacing; the fixed one is cut to its head and a rim."""
    spacing = (level.spacing_mm,) * 3
    still, other = (
        to_itk(resample(image.data, image.grid, grid), grid)
        for image, grid in ((image, image.grid.respaced(spacing)) for image in (fixed, moving))
    )
    head = sitk.BinaryDilate(still > FOREGROUND, [math.ceil(_RIM_MM / level.spacing_mm)] * 3)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(head)
    start, size = np.split(np.array(shape.GetBoundingBox(1)), 2)
    still, head = (
        sitk.RegionOfInterest(image, size.tolist(), start.tolist()) for image in (still, head)
    )
    share = min(1.0, level.samples / shape.GetNumberOfPixels(1))
    return _Pair(level, still, other, head, share, center)


def _turned(base: RigidTransform, center: Points) -> Iterable[RigidTransform]:
    """The same with the head turned about its center first, by up to some thirty degrees."""
    for angles in itertools.product(_TURNS_DEG, repeat=3):
        size = float(np.linalg.norm(angles))
        if 0.0 < size <= _MOST_TURN_DEG:
            yield base @ RigidTransform.about(center, _rotation(angles), np.zeros(3))


def _rotation(angles_deg: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """(3, 3) of a rotation vector in degrees, by Rodrigues' formula."""
    angle = float(np.linalg.norm(angles_deg))
    x, y, z = (component / angle for component in angles_deg)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    turned: npt.NDArray[np.float64] = np.eye(3) + sine * cross + (1.0 - cosine) * cross @ cross
    return turned


def _usable(volume: Volume, name: str) -> Volume:
    """In [0, 1], and not blank."""
    unit = to_unit(volume)
    head = unit.data[unit.data > FOREGROUND]
    if head.size == 0 or np.ptp(head) == 0.0:
        raise RegistrationFailedError(name, "it is blank")
    return unit


def _center(volume: Volume) -> Points:
    """(3,) middle of the head in RAS+ mm."""
    middle: Points = _head_points(volume).mean(axis=0)
    return middle


def _head_points(volume: Volume) -> Points:
    """(n, 3) places in the head in RAS+ mm, a few thousand."""
    index = np.argwhere(volume.data > FOREGROUND)
    index = index[:: max(1, len(index) // 20_000)]
    affine = volume.grid.ras_from_voxel
    points: Points = index @ affine[:3, :3].T + affine[:3, 3]
    return points


def _overlaps(before: Fit, after: Fit) -> dict[str, float]:
    return {
        "head_overlap": after.head_overlap,
        "inside_share": after.inside_share,
        "head_overlap_before": before.head_overlap,
        "inside_share_before": before.inside_share,
    }


def _score(started: _Started) -> float:
    return started[0]
