"""Cut an image into overlapping windows and blend the answers back. Pure numpy; knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Shape

Array: TypeAlias = npt.NDArray[np.float32]
Predict: TypeAlias = Callable[[Array], Array]
"""(1, channels, i, j, k) to (1, classes, i, j, k), both float32."""

_SIGMA = 0.125
_SMALLEST_WEIGHT = 1e-3


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Start indices along one axis, evenly spread; the last window ends exactly at the edge.

    Args:
        size: Voxels along the axis, at least `window`.
        window: Voxels in a window.
        overlap: Least fraction of a window shared with its neighbor, in [0, 1).
    """
    step = max(1, int(window * (1.0 - overlap)))
    count = -(-(size - window) // step) + 1
    return [round(start) for start in np.linspace(0, size - window, count)]


def plan_windows(size: Shape, window: Shape, overlap: float) -> list[Box]:
    """Every window of an image in i, j, k order; together they cover every voxel.

    Args:
        size: Voxels of the image along i, j, k, each at least that of `window`.
        window: Voxels of a window.
        overlap: Least fraction of a window shared with its neighbor, in [0, 1).
    """
    starts = [window_starts(n, w, overlap) for n, w in zip(size, window, strict=True)]
    return [
        Box((i, j, k), (i + window[0], j + window[1], k + window[2]))
        for i, j, k in product(*starts)
    ]


def pad_to(image: Array, window: Shape) -> tuple[Array, Box]:
    """Surround (channels, i, j, k) with zeros until a window fits.

    Returns:
        The padded image, and the box in which the original lies.
    """
    size = image.shape[1:]
    before = [max(0, w - n) // 2 for n, w in zip(size, window, strict=True)]
    after = [max(0, w - n) - b for n, w, b in zip(size, window, before, strict=True)]
    padded = np.pad(image, [(0, 0), *zip(before, after, strict=True)])
    stop = [b + n for b, n in zip(before, size, strict=True)]
    return padded, Box((before[0], before[1], before[2]), (stop[0], stop[1], stop[2]))


def bell(window: Shape) -> Array:
    """(i, j, k) Gaussian weight: 1 at the center, an eighth of the window wide, never 0."""
    i, j, k = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (_SIGMA * n)) ** 2) for n in window)
    weight: Array = np.einsum("i,j,k->ijk", i, j, k).astype(np.float32)
    weight /= weight.max()
    np.maximum(weight, _SMALLEST_WEIGHT, out=weight)
    return weight


def blend(
    image: Array,
    predict: Predict,
    windows: Sequence[Box],
    *,
    classes: int,
    on_share: Callable[[float], None] = lambda _: None,
) -> Array:
    """Run `predict` on windows of `image` and average where they overlap.

    Args:
        image: (channels, i, j, k).
        predict: One window's scores.
        windows: Where to look, all of one size; they cover the image.
        classes: Output channels of `predict`.
        on_share: Called after each window with the share of windows that are done.

    Returns:
        (classes, i, j, k) float32 scores.
    """
    if len(windows) == 1:
        only: Array = predict(image[(None, slice(None), *windows[0].slices)])[0]
        on_share(1.0)
        return only
    weight = bell(windows[0].shape)
    total = np.zeros((classes, *image.shape[1:]), dtype=np.float32)
    weights = np.zeros(image.shape[1:], dtype=np.float32)
    for done, window in enumerate(windows, start=1):
        here = window.slices
        total[(slice(None), *here)] += weight * predict(image[(None, slice(None), *here)])[0]
        weights[here] += weight
        on_share(done / len(windows))
    total /= weights
    return total


def predict_image(
    image: Array,
    predict: Predict,
    window: Shape,
    *,
    overlap: float,
    classes: int,
    on_share: Callable[[float], None] = lambda _: None,
) -> tuple[Array, int]:
    """Scores of a whole image by sliding windows.

    Args:
        image: (channels, i, j, k) float32 of any size.
        predict: One window's scores.
        window: Voxels of a window.
        overlap: Least fraction of a window shared with its neighbor, in [0, 1).
        classes: Output channels of `predict`.
        on_share: Called after each window with the share of windows that are done.

    Returns:
        (classes, i, j, k) float32 on the image's voxels, and the number of windows.
    """
    padded, inside = pad_to(image, window)
    i, j, k = padded.shape[1:]
    windows = plan_windows((i, j, k), window, overlap)
    scores = blend(padded, predict, windows, classes=classes, on_share=on_share)
    return scores[(slice(None), *inside.slices)], len(windows)
