"""Cut an image into windows that hold its brain and blend the answers back. Pure numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Shape

Array: TypeAlias = npt.NDArray[np.float32]
Predict: TypeAlias = Callable[[Array], Array]
"""(1, channels, i, j, k) to (1, classes, i, j, k), both float32."""

_Brain: TypeAlias = npt.NDArray[np.bool_]
_Start: TypeAlias = dict[int, int]  # axis to the first voxel of a window

_SIGMA = 0.125
_SMALLEST_WEIGHT = 1e-3


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Where a network will look, and what that costs; nothing has been computed yet.

    Attributes:
        size: Voxels along i, j, k of the image once a window fits into it.
        inside: Where the image lies in there; around it are zeros.
        windows: All of one size, in the order of their first voxels.
        covered: Voxels that lie in at least one window.
        views: How often each window is computed, mirrored differently.
    """

    size: Shape
    inside: Box
    windows: tuple[Box, ...]
    covered: int
    views: int = 1

    @property
    def voxels(self) -> int:
        """Voxels that the network computes, those of several windows or views more than once."""
        return self.views * len(self.windows) * math.prod(self.windows[0].shape)

    @property
    def repeated_share(self) -> float:
        """Share of the computed voxels that were computed in another window or view, in [0, 1)."""
        return 1.0 - self.covered / self.voxels


def window_starts(first: int, stop: int, window: int, overlap: float) -> list[int]:
    """Start indices along one axis, evenly spread: the fewest that see every voxel of a range.

    Args:
        first: First voxel that has to be seen.
        stop: The voxel after the last one, at least `window` after `first`.
        window: Voxels in a window.
        overlap: Least share of a window that its neighbor sees too, in [0, 1).
    """
    step = max(1, int(window * (1.0 - overlap)))
    count = -(-(stop - first - window) // step) + 1
    return [round(start) for start in np.linspace(first, stop - window, count)]


def plan_windows(brain: _Brain, window: Shape, overlap: float, *, views: int = 1) -> WindowPlan:
    """The fewest windows that see every voxel of a brain; a brain that fits one is seen at once.

    The brain is cut into slabs along one axis, each slab into bars, each bar into windows, so
    that every row of windows is as long as the brain is there. Of the six orders of axes, the
    one with the fewest windows is taken, the first among equals.

    Args:
        brain: (i, j, k) on the image's voxels; if it is empty, the whole image is planned for.
        window: Voxels of a window along i, j, k.
        overlap: Least share of a window that its neighbor in a row sees too, in [0, 1).
        views: How often each window will be computed, mirrored differently.
    """
    size, inside = _room(brain.shape, window)
    if not brain.any():
        brain = np.ones_like(brain)
    padded = np.zeros(size, dtype=np.bool_)
    padded[inside.slices] = brain
    orders = (order for order in permutations(range(3)))
    plans = [[*_rows(padded, {}, order, window, overlap)] for order in orders]
    fewest = min(plans, key=len)
    windows = tuple(sorted((_box(start, window) for start in fewest), key=lambda box: box.start))
    return WindowPlan(size, inside, windows, _covered(windows), views)


def bell(window: Shape) -> Array:
    """(i, j, k) Gaussian weight: 1 at the center, an eighth of the window wide, never 0."""
    i, j, k = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (_SIGMA * n)) ** 2) for n in window)
    weight: Array = np.einsum("i,j,k->ijk", i, j, k).astype(np.float32)
    weight /= weight.max()
    np.maximum(weight, _SMALLEST_WEIGHT, out=weight)
    return weight


def predict_image(
    image: Array,
    predict: Predict,
    plan: WindowPlan,
    *,
    classes: int,
    on_share: Callable[[float], None] = lambda _: None,
) -> Array:
    """Scores of a whole image, averaged where windows overlap.

    Besides the image it holds one sum of scores and one of weights, however many windows
    there are.

    Args:
        image: (channels, i, j, k) float32 of any size.
        predict: One window's scores.
        plan: Made for the brain in this image.
        classes: Output channels of `predict`.
        on_share: Called after each window with the share of windows that are done.

    Returns:
        (classes, i, j, k) float32 on the image's voxels; 0 where no window looked.
    """
    after = [n - stop for n, stop in zip(plan.size, plan.inside.stop, strict=True)]
    around = [(0, 0), *zip(plan.inside.start, after, strict=True)]
    padded = np.pad(image, around) if any(map(any, around)) else image
    scores = _blended(padded, predict, plan.windows, classes, on_share)
    return scores[(slice(None), *plan.inside.slices)]


def _blended(
    image: Array,
    predict: Predict,
    windows: Sequence[Box],
    classes: int,
    on_share: Callable[[float], None],
) -> Array:
    if len(windows) == 1 and windows[0].shape == image.shape[1:]:
        only: Array = predict(image[np.newaxis])[0]
        on_share(1.0)
        return only
    weight = bell(windows[0].shape)
    total = np.zeros((classes, *image.shape[1:]), dtype=np.float32)
    weights = np.zeros(image.shape[1:], dtype=np.float32)
    for done, window in enumerate(windows, start=1):
        here = (slice(None), *window.slices)
        total[here] += weight * predict(np.ascontiguousarray(image[here])[np.newaxis])[0]
        weights[window.slices] += weight
        on_share(done / len(windows))
    np.divide(total, weights, out=total, where=weights > 0)
    return total


def _room(size: Sequence[int], window: Shape) -> tuple[Shape, Box]:
    """How large an image becomes so that a window fits, and where the image lies in the middle."""
    i, j, k = (max(n, w) for n, w in zip(size, window, strict=True))
    start = [(room - n) // 2 for room, n in zip((i, j, k), size, strict=True)]
    stop = [s + n for s, n in zip(start, size, strict=True)]
    return (i, j, k), Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _rows(
    brain: _Brain, fixed: _Start, order: Sequence[int], window: Shape, overlap: float
) -> Iterator[_Start]:
    """Window starts, first along the first axis of `order`, then for each along the next."""
    if not order:
        yield fixed
        return
    axis, *rest = order
    for start in window_starts(*_extent(brain, axis, window[axis]), window[axis], overlap):
        slab = brain[(slice(None),) * axis + (slice(start, start + window[axis]),)]
        if slab.any():
            yield from _rows(slab, {**fixed, axis: start}, rest, window, overlap)


def _extent(brain: _Brain, axis: int, window: int) -> tuple[int, int]:
    """First voxel of the brain along an axis and the one after its last, a window apart or more."""
    others = tuple(other for other in range(3) if other != axis)
    seen = np.flatnonzero(brain.any(axis=others))
    first, stop = int(seen[0]), int(seen[-1]) + 1
    first = max(0, first - max(0, window - (stop - first)) // 2)
    first = min(first, brain.shape[axis] - window)
    return first, max(stop, first + window)


def _box(start: _Start, window: Shape) -> Box:
    i, j, k = (start[axis] for axis in range(3))
    return Box((i, j, k), (i + window[0], j + window[1], k + window[2]))


def _covered(windows: Sequence[Box]) -> int:
    """Voxels in at least one of the windows."""
    stop = np.max([window.stop for window in windows], axis=0)
    seen = np.zeros(stop, dtype=np.bool_)
    for window in windows:
        seen[window.slices] = True
    return int(np.count_nonzero(seen))
