"""A labeled patient as the training loop sees it, in memory or on the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from latup_cli.imaging.atomic import staging
from latup_cli.labels import REGIONS

REGION_NAMES = tuple(REGIONS)
"""Order of the target's channels: WT, TC, ET."""

_MOST_VOXELS = 2000
_HALF = 128  # of 255
_ARRAYS = ("image", "target", "tumor_voxels")


class Case(Protocol):
    """One prepared patient on the model's grid, cropped to the brain."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def image(self) -> npt.NDArray[np.float16]:
        """(modalities, i, j, k): z-scores inside the brain and 0 outside."""

    @property
    def target(self) -> npt.NDArray[np.uint8]:
        """(3, i, j, k): which share of each voxel is WT, TC and ET, in 255ths."""

    @property
    def tumor_voxels(self) -> npt.NDArray[np.int16]:
        """(m, 4): some voxels of each tissue, as (0 ED, 1 NCR or 2 ET; i, j, k)."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """A case in memory; see `Case`."""

    name: str
    image: npt.NDArray[np.float16]
    target: npt.NDArray[np.uint8]
    tumor_voxels: npt.NDArray[np.int16] = field(
        default_factory=lambda: np.empty((0, 4), dtype=np.int16)
    )


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case in a folder of its own, mapped into memory on access; see `Case`.

    It goes through a worker process as a path, not as voxels.
    """

    name: str
    folder: Path

    @property
    def image(self) -> npt.NDArray[np.float16]:
        """(modalities, i, j, k) float16."""
        array: npt.NDArray[np.float16] = self._mapped("image")
        return array

    @property
    def target(self) -> npt.NDArray[np.uint8]:
        """(3, i, j, k) uint8."""
        array: npt.NDArray[np.uint8] = self._mapped("target")
        return array

    @property
    def tumor_voxels(self) -> npt.NDArray[np.int16]:
        """(m, 4) int16."""
        array: npt.NDArray[np.int16] = self._mapped("tumor_voxels")
        return array

    @property
    def complete(self) -> bool:
        """Whether all of its files are there; they arrive together."""
        return all((self.folder / f"{array}.npy").is_file() for array in _ARRAYS)

    def _mapped(self, array: str) -> Any:  # noqa: ANN401  (each property names its type)
        return np.load(self.folder / f"{array}.npy", mmap_mode="r")


def store(case: TrainingCase, folder: Path) -> StoredCase:
    """Write a case atomically.

    Raises:
        OutputError: If the disk is full or read-only.
    """
    with staging(folder) as stage:
        for array in _ARRAYS:
            np.save(stage / f"{array}.npy", getattr(case, array))
    return StoredCase(case.name, folder)


def tumor_voxels(target: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """Draw up to 2000 voxels of each tissue, the same ones every time.

    Args:
        target: (3, i, j, k) uint8: shares of WT, TC, ET in 255ths.

    Returns:
        (m, 4) int16: 0 for ED, 1 for NCR, 2 for ET, and i, j, k.
    """
    inside = target >= _HALF
    tissues = (inside[0] & ~inside[1], inside[1] & ~inside[2], inside[2])
    drawn = [np.empty((0, 4), dtype=np.int16)]
    for number, tissue in enumerate(tissues):
        voxels = np.argwhere(tissue)
        if len(voxels) > _MOST_VOXELS:
            chosen = np.random.default_rng(number).choice(len(voxels), _MOST_VOXELS, replace=False)
            voxels = voxels[np.sort(chosen)]
        drawn.append(np.insert(voxels, 0, number, axis=1).astype(np.int16))
    return np.concatenate(drawn)
