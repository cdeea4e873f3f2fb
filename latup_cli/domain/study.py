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


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, or one volume of it, and why it was taken for what it is taken for.

    Attributes:
        path: The file; of a `.hdr/.img` pair, the header.
        reason: For people.
        volume: Which volume of a 4-D file, from 0; None for a file that holds one image.
    """

    path: Path
    reason: str
    volume: int | None = None


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """Which file is which modality.

    Attributes:
        name: The study's name in outputs.
        modalities: Modality ("t1", "t1ce", "t2", "flair") to its file.
        segmentation: An expert's label map that lies beside the images, if there is one.
    """

    name: str
    modalities: Mapping[str, FoundFile]
    segmentation: FoundFile | None = None


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
    """Four images on one grid, read and checked.

    Attributes:
        files: Where they came from.
        images: Modality to image, as stored: no axis was moved.
        codes: Spatial codes of the T1ce, which results inherit.
        warnings: What was odd and was accepted.
    """

    files: StudyFiles
    images: Mapping[str, Volume]
    codes: SpatialCodes
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not image.grid.matches(self.grid) for image in self.images.values()):
            raise GeometryError("The modalities do not lie on one grid.")

    @property
    def grid(self) -> Grid:
        """The grid that all images share."""
        return next(iter(self.images.values())).grid


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a study, for the record."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """How the brain's block of voxels sits in the native images.

    Attributes:
        native: Grid of the input.
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
