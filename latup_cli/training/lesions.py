"""Put lesions of other patients into the brains there are, where no more than cubes is had of them.

A set of cubes with one lesion in each shows far more tumors than the whole patients that one may
train on, but shows them without the brain around. As in CutMix (Yun et al. 2019,
arXiv:1905.04899) part of one scan is put into another; as in `mix`, it is the lesion with a margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latup_cli.domain.grid import Shape
from latup_cli.errors import LesionsError
from latup_cli.labels import MODALITIES, REGIONS
from latup_cli.training.mix import Sample, mix
from latup_cli.training.slices import Scan, in_slices
from latup_cli.training.tables import reading
from latup_cli.training.turn import Turn, reach, turned

_FULL = 255.0
_HALF = 0.5
_MOST = 3  # lesions in one crop
_ROUNDNESS = 4  # of |x|^n + |y|^n + |z|^n < r^n: 2 is a ball, more is nearer to the cube
_RADIUS = (0.7, 1.0)  # of what is used of a cube, as a share of its half


@dataclass(frozen=True, slots=True, eq=False)
class Lesions:
    """Cubes to draw from, all of one size.

    Attributes:
        images: (n, 4, i, j, k) float16: z-scores by modality (T1, T1ce, T2, FLAIR) inside the
            brain and 0 outside.
        targets: (n, 3, i, j, k) uint8: share of each voxel that is WT, TC and ET, in 255ths.
        spacing_mm: (3,) float64: size of a voxel along i, j, k.

    Raises:
        ValueError: If there is no cube, or the arrays have other shapes.
    """

    images: npt.NDArray[np.float16]
    targets: npt.NDArray[np.uint8]
    spacing_mm: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        n, size = len(self.images), self.images.shape[2:]
        expected = (n, len(MODALITIES), *size), (n, len(REGIONS), *size), (len(size),)
        found = self.images.shape, self.targets.shape, self.spacing_mm.shape
        if not n or found != expected or not (self.spacing_mm > 0).all():
            raise ValueError("images must be (n, 4, i, j, k), and targets (n, 3, i, j, k)")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read cubes that `save` wrote.

        Raises:
            LesionsError: If the file is not there or holds something else.
        """
        with reading(path, LesionsError) as content:
            return cls(
                content["images"].astype(np.float16),
                content["targets"].astype(np.uint8),
                content["spacing_mm"].astype(np.float64),
            )

    def save(self, path: Path) -> None:
        """Write a compressed .npz file."""
        np.savez_compressed(
            path, images=self.images, targets=self.targets, spacing_mm=self.spacing_mm
        )


def implanted(
    host: Sample,
    lesions: Lesions,
    turn: Turn,
    scan: Scan,
    spacing_mm: float,
    random: np.random.Generator,
) -> Sample:
    """The host with up to three lesions at places of its own; where it has a tumor, they cover it.

    Args:
        host: Image and target.
        lesions: What is drawn from.
        turn: How the host's window lies; the lesions are mirrored, turned and scaled likewise.
        scan: How the host was scanned; the lesions were likewise.
        spacing_mm: Size of the host's voxels.
        random: Draws lesions, places and what is used of them.

    Returns:
        Image and target, in new memory; those of the host if it shows no brain.
    """
    lies = Turn(
        (spacing_mm / lesions.spacing_mm)[:, None] * turn.block_from_window,
        np.zeros_like(turn.shift),
    )
    window_from_cube = np.linalg.inv(lies.block_from_window).astype(np.float64)
    covers = Turn(window_from_cube, lies.shift)
    brain = torch.nonzero((host[0] != 0).any(dim=0))
    image, target = (part.clone() for part in host)
    for _ in range(int(random.integers(1, _MOST + 1)) if len(brain) else 0):
        place = brain[int(random.integers(len(brain)))].numpy()
        box = reach(covers, place, lesions.images.shape[2:], image.shape[1:])
        here = (slice(None), *box.slices)
        lesion = _drawn(lesions, scan, random)
        lesion = _placed(lesion, place - np.array(box.start), lies, box.shape, random)
        image[here], target[here] = mix((image[here], target[here]), lesion, random)
    return image, target


def _drawn(lesions: Lesions, scan: Scan, random: np.random.Generator) -> Sample:
    """One of the cubes, as if scanned like this."""
    drawn = int(random.integers(len(lesions.images)))
    image = torch.from_numpy(lesions.images[drawn].astype(np.float32))
    target = torch.from_numpy(lesions.targets[drawn].astype(np.float32)) / _FULL
    return in_slices(image, scan, lesions.spacing_mm.tolist()), target


def _placed(
    lesion: Sample,
    place: npt.NDArray[np.int_],
    lies: Turn,
    window: Shape,
    random: np.random.Generator,
) -> Sample:
    """A cube, rounded, with its middle at a voxel of a window that is empty otherwise."""
    image, target = lesion
    used = _rounded(image.shape[1:], float(random.uniform(*_RADIUS)))
    away = np.array(window) / 2.0 - _HALF - place  # of the window's middle from the place
    middle = np.array(image.shape[1:]) / 2.0 - _HALF
    there = Turn(lies.block_from_window, lies.block_from_window @ away)
    found = turned(torch.cat([image, target, used]), middle, there, window)
    image, target, used = found.split([len(image), len(target), 1])
    return image * (used > _HALF), target * (used > _HALF)


def _rounded(size: tuple[int, ...], radius: float) -> Tensor:
    """(1, i, j, k) float32: 1 in a cube with rounded edges, in the middle of a cube; 0 around."""
    along = [torch.linspace(-1.0, 1.0, n) / radius for n in size]
    powers = [part.abs() ** _ROUNDNESS for part in torch.meshgrid(*along, indexing="ij")]
    return (torch.stack(powers).sum(dim=0, keepdim=True) <= 1.0).float()
