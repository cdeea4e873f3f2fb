"""A patient's study on its way to the network: files, images, and what the network will see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.orientation import Reorientation
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError

REFERENCE = "t1ce"
"""The modality to which the others are registered, and to whose grid results go back."""

ONE_GRID_MM = 0.1
"""Grids that differ by less are one: headers are rounded, and a quaternion rounds otherwise."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, or one volume of it, and why it was taken for what it is taken for.

    Attributes:
        path: The file; of a `.hdr/.img` pair, the header.
        reason: For people.
        volume: Which volume of a 4-D file, from 0; None for a file that holds one image.
        series: The files of a DICOM series in slice order, `path` being their folder, or the
            one file of an enhanced series; empty for a NIfTI file.
        exam: The UID of a DICOM series' exam; empty if it has none. Private.
    """

    path: Path
    reason: str
    volume: int | None = None
    series: tuple[Path, ...] = ()
    exam: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """Which file is which modality.

    Attributes:
        name: The study's name in outputs.
        modalities: Modality ("t1", "t1ce", "t2", "flair") to its file.
        segmentation: An expert's label map that lies beside the images, if there is one.
        private: Words of DICOM tags that tell who the patient is; no output may hold them.
    """

    name: str
    modalities: Mapping[str, FoundFile]
    segmentation: FoundFile | None = None
    private: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class SpatialCodes:
    """NIfTI's words about what its two affines mean; 0 is unknown, 1 scanner, 4 MNI.

    Attributes:
        sform: Code of the affine that is used.
        qform: Code of the quaternion.
    """

    sform: int
    qform: int


@dataclass(frozen=True, slots=True)
class Study:
    """Four images as they came, read and checked one by one.

    Attributes:
        files: Where they came from.
        images: Modality to image, as stored: no axis was moved, and each on its own grid.
        codes: Spatial codes of the T1ce, which results inherit.
        warnings: What was odd and was accepted.
        skull: Modality to the sign that its skull is still there; a modality that is not named
            is skull-stripped.
        shown: Modality to the name under which people may see its file; without one, the
            modality itself.
    """

    files: StudyFiles
    images: Mapping[str, Volume]
    codes: SpatialCodes
    warnings: tuple[str, ...] = ()
    skull: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, Path] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """The grid of the T1ce, to which results go back."""
        return self.images[REFERENCE].grid

    @property
    def on_one_grid(self) -> bool:
        """Whether all images lie on the grid of the T1ce, as far as headers are exact."""
        return all(
            image.grid.matches(self.grid, tolerance_mm=ONE_GRID_MM)
            for image in self.images.values()
        )

    def shown_as(self, modality: str) -> Path:
        """The name of a modality's file that people may see."""
        return self.shown.get(modality, Path(modality))


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a study, for the record."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class AlignedStudy:
    """Four registered images on one grid, and the brain in them.

    Attributes:
        images: Modality to image; what lies outside the brain is never looked at.
        brain: On the images' grid.
        steps: What was done to get there, in order.

    Raises:
        GeometryError: If an image or the brain lies on another grid.
    """

    images: Mapping[str, Volume]
    brain: Mask
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if any(not image.grid.matches(self.grid) for image in self.images.values()):
            raise GeometryError("The modalities do not lie on one grid.")

    @property
    def grid(self) -> Grid:
        """The grid that the images and the brain share."""
        return self.brain.grid


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """How the brain's block of voxels sits in the aligned images.

    Attributes:
        native: Grid of the aligned images.
        turn: Native to the model's axis order.
        box: The brain's bounding box in the turned native voxels.
    """

    native: Grid
    turn: Reorientation
    box: Box

    @property
    def block(self) -> Grid:
        """Native voxels, turned into the model's axis order and cropped to the brain."""
        return self.turn.grid(self.native).crop(self.box)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedStudy:
    """What the network sees, and the way back.

    Attributes:
        image: (channels, i, j, k) float32 on `grid`, normalized, 0 outside the brain.
        grid: The model's grid: its axis order and spacing, cropped to the brain.
        brain: The brain on the native block (`placement.block`).
        placement: The way back to the input's array.
        steps: What was done, in order.
    """

    image: npt.NDArray[np.float32]
    grid: Grid
    brain: Mask
    placement: Placement
    steps: tuple[Step, ...] = ()
