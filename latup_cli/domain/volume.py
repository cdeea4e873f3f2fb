"""Voxel data on a lattice: one type each for images, masks and label maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.errors import GeometryError, LabelValuesError
from latup_cli.labels import REGIONS, LabelScheme, Tissue


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One MR image: (i, j, k) float32 in scanner units until normalization makes them unitless."""

    data: npt.NDArray[np.float32]
    grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _checked(self.data, self.grid, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A set of voxels: (i, j, k) bool."""

    data: npt.NDArray[np.bool_]
    grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _checked(self.data, self.grid, np.bool_))

    @property
    def volume_ml(self) -> float:
        """Volume in mL."""
        return int(np.count_nonzero(self.data)) * self.grid.voxel_ml


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """A segmentation: (i, j, k) uint8 in the numbers of its scheme, 0 for background.

    Raises:
        LabelValuesError: If a voxel has a value that the scheme does not know.
    """

    data: npt.NDArray[np.uint8]
    grid: Grid
    scheme: LabelScheme

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _checked(self.data, self.grid, np.uint8))
        possible = set(range(int(self.data.max(initial=0)) + 1)) - self.scheme.values
        unknown = tuple(value for value in sorted(possible) if (self.data == value).any())
        if unknown:
            raise LabelValuesError("The label map", unknown, self.scheme.name)

    def tissue(self, tissue: Tissue) -> Mask:
        """Voxels of one tissue."""
        return Mask(self.data == self.scheme.numbers[tissue], self.grid)

    def region(self, name: str) -> Mask:
        """Voxels of a BraTS region: "WT", "TC" or "ET"."""
        return Mask(np.isin(self.data, [self.scheme.numbers[t] for t in REGIONS[name]]), self.grid)

    def renumbered(self, scheme: LabelScheme) -> LabelMap:
        """The same tissues in the numbers of another scheme; ignored values become background."""
        table = np.zeros(256, dtype=np.uint8)
        for tissue, number in self.scheme.numbers.items():
            table[number] = scheme.numbers[tissue]
        return LabelMap(table[self.data], self.grid, scheme)


def _checked(
    data: npt.NDArray[np.generic], grid: Grid, dtype: type[np.generic]
) -> npt.NDArray[np.generic]:
    """A read-only view with the right type and shape."""
    if data.shape != grid.shape:
        raise GeometryError(f"Data {data.shape} do not fill a grid of {grid.shape}.")
    if data.dtype != dtype:
        raise TypeError(f"Expected {np.dtype(dtype)} voxels, not {data.dtype}.")
    view = data.view()
    view.flags.writeable = False
    return view
