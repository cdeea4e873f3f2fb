"""Paint a tumor as another patient's: the shape stays, the contrast of each tissue changes.

How bright edema, necrosis and enhancement are, in each modality, differs more between patients
than within one, so that few patients show few contrasts. A table of what the tissues of many
tumors look like, without their images, lends these contrasts to the tumors that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latup_cli.errors import AppearancesError
from latup_cli.labels import MODALITIES, Tissue
from latup_cli.training.cases import Case
from latup_cli.training.tables import reading

Table: TypeAlias = npt.NDArray[np.float32]

TISSUES = (Tissue.ED, Tissue.NCR, Tissue.ET)
"""Order of the tables' rows: from the outside in, as the regions WT, TC, ET are nested."""

FEWEST_VOXELS = 30
"""Fewer of a tissue are too few to tell its contrast by."""

WHOLE = 0.5
"""Share of a voxel from which on a tissue has all of it."""

_FULL = 255
_LEAST_SPREAD = 0.05
_SPREADS = (0.5, 2.0)  # how much less or more the texture may vary than it did


@dataclass(frozen=True, slots=True, eq=False)
class Appearances:
    """What tumor tissues looked like, tumor by tumor.

    Attributes:
        mean: (tumors, 3, 4) float32: z-score by tissue (ED, NCR, ET) and modality (T1, T1ce, T2,
            FLAIR); not-a-number where a tumor has none of a tissue.
        spread: (tumors, 3, 4) float32: its standard deviation.

    Raises:
        ValueError: If the tables are of another shape, or none.
    """

    mean: Table
    spread: Table

    def __post_init__(self) -> None:
        expected = (len(self.mean), len(TISSUES), len(MODALITIES))
        if not len(self.mean) or self.mean.shape != expected or self.spread.shape != expected:
            raise ValueError(f"mean and spread must be (tumors, {expected[1]}, {expected[2]})")

    @classmethod
    def of(cls, tumors: Iterable[tuple[Table, npt.NDArray[np.bool_]]]) -> Self:
        """Measure tumors.

        Args:
            tumors: For each, z-scores (4, i, j, k) and which voxels are of each tissue
                (3, i, j, k).

        Raises:
            ValueError: If there is no tumor.
        """
        found = [
            [_mean_and_spread(image, inside) for inside in tissues] for image, tissues in tumors
        ]
        both = np.array(found, dtype=np.float32).reshape(-1, len(TISSUES), 2, len(MODALITIES))
        return cls(both[:, :, 0], both[:, :, 1])

    @classmethod
    def of_cases(cls, cases: Sequence[Case]) -> Self:
        """Measure the tumors that a run trains on."""
        return cls.of((case.image.astype(np.float32), _tissues(case.target)) for case in cases)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read tables that `save` wrote.

        Raises:
            AppearancesError: If the file is not there or holds something else.
        """
        with reading(path, AppearancesError) as content:
            mean, spread = (content[name].astype(np.float32) for name in ("mean", "spread"))
            return cls(mean, spread)

    def save(self, path: Path) -> None:
        """Write the tables as a compressed .npz file."""
        np.savez_compressed(path, mean=self.mean, spread=self.spread)

    def joined(self, other: Self) -> Self:
        """The tumors of both."""
        mean, spread = (
            np.concatenate(pair) for pair in ((self.mean, other.mean), (self.spread, other.spread))
        )
        return type(self)(mean, spread)


def painted(
    image: Tensor, target: Tensor, appearances: Appearances, random: np.random.Generator
) -> Tensor:
    """Give the tumor in a crop the contrasts of one that is drawn at random, or part of the way.

    Args:
        image: (modalities, i, j, k) float32: z-scores inside the brain and 0 outside.
        target: (3, i, j, k) float32: share of each voxel that is WT, TC and ET, in [0, 1].
        appearances: Tumors to draw from.
        random: Draws the tumor, and how far the change goes.

    Returns:
        A tensor of the same shape, 0 where `image` is 0 in every modality. A tissue that the drawn
        tumor does not have, or that the crop has too little of, stays as it is.
    """
    drawn, far = int(random.integers(len(appearances.mean))), float(random.uniform(0.3, 1.0))
    shares = tissue_shares(target) * (image != 0).any(dim=0)
    for share, mean, spread in zip(
        shares, appearances.mean[drawn], appearances.spread[drawn], strict=True
    ):
        inside = share > WHOLE
        if np.isfinite(mean).all() and int(inside.sum()) >= FEWEST_VOXELS:
            image = torch.lerp(image, _as(image, inside, mean, spread), far * share)
    return image


def _as(image: Tensor, inside: Tensor, mean: Table, spread: Table) -> Tensor:
    """All of an image, scaled and shifted so that what is inside has another mean and spread."""
    here, width = contrast(image, inside)
    shape = (-1, 1, 1, 1)
    scale = (torch.from_numpy(spread).reshape(shape) / width).clamp(*_SPREADS)
    return (image - here) * scale + torch.from_numpy(mean).reshape(shape)


def tissue_shares(regions: Tensor) -> Tensor:
    """(3, i, j, k) shares of WT, TC and ET to the shares of the tissues in the order `TISSUES`."""
    inner = torch.cat([regions[1:], torch.zeros_like(regions[:1])])
    return (regions - inner).clamp(0.0, 1.0)


def contrast(image: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation by modality within a mask (i, j, k): (modalities, 1, 1, 1) each.

    The deviation is at least 0.05, so that it can be divided by.
    """
    seen, shape = image[:, inside], (-1, 1, 1, 1)
    width = seen.std(dim=1).clamp_min(_LEAST_SPREAD)
    return seen.mean(dim=1).reshape(shape), width.reshape(shape)


def _mean_and_spread(image: Table, inside: npt.NDArray[np.bool_]) -> tuple[Table, Table]:
    seen = image[:, inside]
    if seen.shape[1] < FEWEST_VOXELS:
        nothing = np.full(len(image), np.nan, dtype=np.float32)
        return nothing, nothing
    return seen.mean(axis=1), seen.std(axis=1)


def _tissues(target: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(3, i, j, k) shares of WT, TC and ET in 255ths to the voxels of ED, NCR and ET alone."""
    wt, tc, et = target > WHOLE * _FULL
    return np.stack([wt & ~tc, tc & ~et, et])
