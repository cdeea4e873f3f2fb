"""Let a network see each window mirrored too, and average what it says. Pure numpy."""

from __future__ import annotations

import numpy as np

from latup_cli.inference.windows import Array, Predict

_AXES = (2, 3, 4)  # of (1, channels, i, j, k)

VIEWS = 2 ** len(_AXES)
"""How often the network runs for each window: every combination of mirroring i, j and k."""


def mirrored(predict: Predict) -> Predict:
    """The mean of class probabilities over all 8 mirrorings of a window, each mirrored back.

    It is built axis by axis, as the mean of two: since a + b is b + a to the last bit, a
    mirrored window gives exactly the mirrored answer, and a network that does so by itself
    answers exactly as before.

    Args:
        predict: (1, channels, i, j, k) intensities to (1, classes, i, j, k) probabilities.

    Returns:
        A function of the same shape, which takes 8 times as long.
    """
    for axis in _AXES:
        predict = _mirrored_along(predict, axis)
    return predict


def _mirrored_along(predict: Predict, axis: int) -> Predict:
    def mean_of_two(window: Array) -> Array:
        there = np.ascontiguousarray(np.flip(window, axis))
        # a copy, for an engine may reuse the memory of its answer
        total: Array = np.flip(predict(there), axis).copy()
        total += predict(window)
        total *= np.float32(0.5)
        return total

    return mean_of_two
