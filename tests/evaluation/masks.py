"""Masks and label maps to compare: boxes by hand, blobs at random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid, Shape
from latup_cli.domain.volume import LabelMap
from latup_cli.labels import SCHEMES

Mask = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]


def box(shape: Shape, start: Shape, size: Shape) -> Mask:
    """A mask of one block."""
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def blobs(rng: np.random.Generator, shape: Shape, count: int = 4) -> Mask:
    """Ellipsoids anywhere, also over the image's edge, some of them joined."""
    index = np.indices(shape)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(count):
        center = rng.uniform(0, shape).reshape(3, 1, 1, 1)
        radii = rng.uniform(1.2, 5.5, (3, 1, 1, 1))
        mask |= (((index - center) / radii) ** 2).sum(axis=0) < 1
    return mask


def shifted(rng: np.random.Generator, mask: Mask) -> Mask:
    """What a prediction may be like: moved, and with blobs of its own."""
    moved = np.roll(mask, rng.integers(-2, 3, 3).tolist(), (0, 1, 2))
    return moved | blobs(rng, mask.shape, 1)  # type: ignore[arg-type]


def label_map(data: npt.NDArray[np.uint8], spacing_mm: Spacing = (1.0, 1.0, 1.0)) -> LabelMap:
    """Labels of BraTS 2021 on a straight grid."""
    i, j, k = data.shape
    return LabelMap(data, Grid((i, j, k), np.diag([*spacing_mm, 1.0])), SCHEMES["brats2021"])


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[Mask, Mask, Spacing]:
    """Two small masks, empty at times, and a spacing; no two axes alike."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    i, j, k = rng.permutation([7, 9, 12]).tolist()
    prediction, reference = (
        blobs(rng, (i, j, k), draw(st.integers(0, 3))) for _ in ("prediction", "reference")
    )
    x, y, z = rng.uniform(0.5, 3.0, 3).tolist()
    return prediction, reference, (x, y, z)
