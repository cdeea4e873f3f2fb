"""Grow tumors that never were: real shapes, at their real places, in the brains that there are.

Expert label maps without images say what tumors look like as shapes, and far more of them can be
had than of patients. Each is drawn into the brain of a patient, its tissues with the contrasts of
tumors from `appearance` and a texture that is partly the brain's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

from latup_cli.domain.grid import Box, Shape
from latup_cli.errors import ShapesError
from latup_cli.training.appearance import (
    FEWEST_VOXELS,
    TISSUES,
    WHOLE,
    Appearances,
    contrast,
    tissue_shares,
)
from latup_cli.training.mix import Sample
from latup_cli.training.tables import reading
from latup_cli.training.turn import Turn, turned

_HALF = 0.5
_TRIES = 20
_MOST_SPREADS = 2.5  # that the brain's own texture may stray from a tissue's mean
_MOST_OWN = 0.8  # share of the texture that is the brain's own
_STRENGTH = (0.3, 1.0)  # of the texture: some of a tissue's spread is one slow change across it
_SHARED = (0.3, 0.9)  # share of the noise that all modalities have in common
_COARSENESS = (2.0, 8.0)  # voxels between two independent values of the noise


@dataclass(frozen=True, slots=True, eq=False)
class TumorShape:
    """One tumor's tissues, without its brain.

    Attributes:
        layers: (i, j, k) uint8, cut out around the tumor: 0 is none of it, and then the tissues in
            the order of `TISSUES`, from the outside in: 1 ED, 2 NCR, 3 ET.
        start: Where this lies in the box of its brain, in voxels.
        brain: Size of that box in the same voxels.

    Raises:
        ValueError: If there is no tumor.
    """

    layers: npt.NDArray[np.uint8]
    start: Shape
    brain: Shape

    def __post_init__(self) -> None:
        if self.layers.ndim != len(self.brain) or not self.layers.any():
            raise ValueError("layers must be (i, j, k) and hold a tumor")

    @classmethod
    def of(cls, layers: npt.NDArray[np.uint8]) -> Self:
        """The shape in a whole brain's box (i, j, k)."""
        box = Box.around(layers > 0)
        i, j, k = layers.shape
        return cls(np.ascontiguousarray(layers[box.slices]), box.start, (i, j, k))

    @property
    def enhances(self) -> bool:
        """Whether any of it is enhancing tumor."""
        return bool((self.layers == len(TISSUES)).any())

    def mirrored(self) -> Self:
        """The same in the other hemisphere."""
        i = self.brain[0] - self.start[0] - self.layers.shape[0]
        return type(self)(self.layers[::-1], (i, *self.start[1:]), self.brain)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Tumors to draw from.

    Attributes:
        tumors: All of them.
        without_et: Those without enhancing tumor, as most gliomas of low grade are.

    Raises:
        ValueError: If there is none.
    """

    tumors: tuple[TumorShape, ...]
    without_et: tuple[TumorShape, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.tumors:
            raise ValueError("there must be a shape")
        plain = tuple(tumor for tumor in self.tumors if not tumor.enhances)
        object.__setattr__(self, "without_et", plain)

    @classmethod
    def of(cls, brains: Iterable[npt.NDArray[np.uint8]]) -> Self:
        """The tumors in brains' boxes (i, j, k) that hold any; see `TumorShape`."""
        return cls(tuple(TumorShape.of(layers) for layers in brains if layers.any()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read shapes that `save` wrote.

        Raises:
            ShapesError: If the file is not there or holds something else.
        """
        with reading(path, ShapesError) as content:
            sizes, starts, brains = (content[key] for key in ("size", "start", "brain"))
            parts = np.split(content["layers"], np.cumsum(np.prod(sizes, axis=1))[:-1])
            tumors = (
                TumorShape(part.reshape(size), tuple(start), tuple(brain))
                for part, size, start, brain in zip(
                    parts, sizes, starts.tolist(), brains.tolist(), strict=True
                )
            )
            return cls(tuple(tumors))

    def save(self, path: Path) -> None:
        """Write a compressed .npz file."""
        np.savez_compressed(
            path,
            layers=np.concatenate([tumor.layers.ravel() for tumor in self.tumors]),
            size=[tumor.layers.shape for tumor in self.tumors],
            start=[tumor.start for tumor in self.tumors],
            brain=[tumor.brain for tumor in self.tumors],
        )

    def draw(self, random: np.random.Generator, without_et_share: float = 0.0) -> TumorShape:
        """Any of them, half of the time in the other hemisphere.

        Args:
            random: Draws.
            without_et_share: How often it has to be one without enhancing tumor, if there is one.
        """
        chosen = self.without_et if random.random() < without_et_share else ()
        tumors = chosen or self.tumors
        tumor = tumors[int(random.integers(len(tumors)))]
        return tumor.mirrored() if random.random() < _HALF else tumor


def place_in(tumor: TumorShape, brain: Shape, random: np.random.Generator) -> Shape:
    """A voxel of the tumor, of any tissue with equal chances, where it lies in another brain."""
    tissue = random.choice(np.unique(tumor.layers[tumor.layers > 0]))
    voxel = random.choice(np.argwhere(tumor.layers == tissue)) + tumor.start
    i, j, k = (
        min(n - 1, int((v + _HALF) * n / m))
        for v, m, n in zip(voxel, tumor.brain, brain, strict=True)
    )
    return i, j, k


def regions_in(tumor: TumorShape, brain: Shape, center: Shape, turn: Turn, window: Shape) -> Tensor:
    """The tumor in a window of another brain, the boxes of both taken to be the same brain.

    Args:
        tumor: What is drawn.
        brain: Size of the other brain's box.
        center: The first voxel behind the window's center in that box.
        turn: How the window lies.
        window: Voxels along i, j, k.

    Returns:
        (3, *window) float32: share of each voxel that is WT, TC and ET.
    """
    scale = np.array(tumor.brain) / np.array(brain)
    middle = np.array(center) * scale - _HALF - np.array(tumor.start)
    rescaled = Turn(scale[:, None] * turn.block_from_window, turn.shift * scale)
    layers = torch.from_numpy(np.ascontiguousarray(tumor.layers))
    regions = torch.stack([layers > depth for depth in range(len(TISSUES))]).float()
    return turned(regions, middle, rescaled, window)


def grown(
    host: Sample,
    regions: Tensor,
    appearances: Appearances,
    random: np.random.Generator,
    *,
    enhances: bool,
) -> Sample:
    """The host with a tumor drawn over it; where both have one, the new one covers the old.

    Args:
        host: Image and target.
        regions: (3, i, j, k) shares of WT, TC and ET, as `regions_in` gives them.
        appearances: Tumors whose contrasts are drawn from.
        random: Draws contrasts and texture.
        enhances: Whether the tumor has enhancing tissue, here or outside the crop. The core of one
            that has none looks unlike necrosis within a rim, so contrasts come from its like.

    Returns:
        The host itself if no tumor among those drawn is of its kind and has every tissue that the
        regions show.
    """
    image, target = host
    inside = (image != 0).any(dim=0)
    regions = regions * inside
    shares = tissue_shares(regions)
    shown = [bool((share > WHOLE).any()) for share in shares]
    row = _alike(appearances, shown, enhances, random)
    if row is None:
        return host
    changed = image * (1.0 - regions[0])
    for number, share in enumerate(shares):
        changed += share * _tissue(image, share, appearances, (row, number), random)
    return changed * inside, regions + (1.0 - regions[0]) * target


def _alike(
    appearances: Appearances, shown: list[bool], enhances: bool, random: np.random.Generator
) -> int | None:
    """A tumor that enhances or does not, measured in all that is shown; None after many others."""
    for row in random.integers(len(appearances.mean), size=_TRIES):
        measured = np.isfinite(appearances.mean[row]).all(axis=1)
        if any(shown) and measured[shown].all() and measured[-1] == enhances:
            return int(row)
    return None


def _tissue(
    image: Tensor,
    share: Tensor,
    appearances: Appearances,
    which: tuple[int, int],
    random: np.random.Generator,
) -> Tensor:
    """All of a crop (modalities, i, j, k) as one tissue; the crop itself if that is not known."""
    both = (torch.from_numpy(table[which]) for table in (appearances.mean, appearances.spread))
    mean, spread = (values.reshape(-1, 1, 1, 1) for values in both)
    if not mean.isfinite().all():
        return image
    texture, within = _noise(image.shape, random), share > WHOLE
    if int(within.sum()) >= FEWEST_VOXELS:
        part = float(random.uniform(0.0, _MOST_OWN))
        usual, width = contrast(image, within)
        own = ((image - usual) / width).clamp(-_MOST_SPREADS, _MOST_SPREADS)
        texture = part * own + (1.0 - part**2) ** 0.5 * texture
    return mean + float(random.uniform(*_STRENGTH)) * spread * texture


def _noise(shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
    """Smooth noise of mean 0 and deviation 1, alike in part in all modalities."""
    coarseness = float(random.uniform(*_COARSENESS))
    size = [max(2, round(n / coarseness)) for n in shape[1:]]
    drawn = torch.from_numpy(random.standard_normal((1 + shape[0], *size), dtype=np.float32))
    shared = float(random.uniform(*_SHARED))
    coarse = shared * drawn[:1] + (1.0 - shared**2) ** 0.5 * drawn[1:]
    smooth = F.interpolate(coarse[None], shape[1:], mode="trilinear", align_corners=False)[0]
    return smooth / smooth.std().clamp_min(1e-3)
