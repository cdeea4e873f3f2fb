"""Where in a patient a crop is taken, and which crops make up a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from latup_cli.domain.grid import Shape
from latup_cli.training.augment import Augmentation, augment, augmentation
from latup_cli.training.cases import Case
from latup_cli.training.hardware import Place
from latup_cli.training.mix import mix
from latup_cli.training.settings import TrainSettings
from latup_cli.training.slices import in_thick_slices

Sample = tuple[torch.Tensor, torch.Tensor]
"""Image (modalities, i, j, k) and target (3, i, j, k), float32."""

_TURNED = 1.25  # a turned window reaches this much further than its half side


class Crops(Dataset[Sample]):
    """Every crop of a run by its number, fixed by the seed alone.

    A run that is resumed, or that has other worker processes, sees the same crops.
    """

    def __init__(self, cases: Sequence[Case], settings: TrainSettings) -> None:
        self._cases = cases
        self._settings = settings
        self._augmentation: Augmentation | None = None

    def __getitem__(self, index: int) -> Sample:
        """One crop, after augmentation."""
        settings = self._settings
        epoch, position = divmod(index, len(self._cases))
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(self._cases))
        random = np.random.default_rng([settings.seed, 1, index])
        if self._augmentation is None:  # made here, so that a worker process has its own
            self._augmentation = augmentation(settings)
        image, target = self._drawn(self._cases[order[position]], random)
        if random.random() < settings.slice_probability:
            least, most = (mm / settings.spacing_mm for mm in settings.slice_mm)
            image = in_thick_slices(image, (least, most), random)
        return augment(image, target, self._augmentation, int(random.integers(2**31)))

    def _drawn(
        self, case: Case, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        settings = self._settings
        if not settings.mix_probability or random.random() >= settings.mix_probability:
            return cut(case, center_of(case, settings, random), settings)
        donor = self._cases[int(random.integers(len(self._cases)))]
        center = center_of(donor, settings, random)
        host = cut(case, same_place(center, donor, case), settings)
        return mix(host, cut(donor, center, settings), random)


def batches(
    cases: Sequence[Case], settings: TrainSettings, first_step: int, place: Place
) -> Iterator[Sample]:
    """Batches of this process from a step on: (n, modalities, i, j, k) and (n, 3, i, j, k)."""
    size = settings.batch_size
    starts = [(step * place.of + place.rank) * size for step in range(first_step, settings.steps)]
    loader: DataLoader[Sample] = DataLoader(
        Crops(cases, settings),
        batch_sampler=[list(range(start, start + size)) for start in starts],
        num_workers=settings.workers,
        multiprocessing_context="spawn" if settings.workers else None,
    )
    yield from loader


def cut(
    case: Case, center: Shape, settings: TrainSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A block around a center, large enough to be turned and scaled.

    Returns:
        Image (modalities, i, j, k) and target (3, i, j, k), float32, target in [0, 1].
    """
    size = case.target.shape[1:]
    grown = _TURNED * (1.0 + settings.scaling) if settings.spatial_probability else 1.0
    reach = [math.ceil(w * grown / 2) for w in settings.window]
    start = [c - r for c, r in zip(center, reach, strict=True)]
    stop = [c + r for c, r in zip(center, reach, strict=True)]
    inside = tuple(slice(max(0, a), min(n, b)) for a, b, n in zip(start, stop, size, strict=True))
    around = [(max(0, -a), max(0, b - n)) for a, b, n in zip(start, stop, size, strict=True)]
    image = np.pad(case.image[(slice(None), *inside)].astype(np.float32), [(0, 0), *around])
    target = np.pad(case.target[(slice(None), *inside)].astype(np.float32), [(0, 0), *around])
    return image, target / np.float32(255.0)


def same_place(center: Shape, here: Case, there: Case) -> Shape:
    """Where a voxel of one patient lies in another, both boxes taken to be the same brain."""
    sizes = zip(center, here.target.shape[1:], there.target.shape[1:], strict=True)
    i, j, k = (min(n - 1, round(c * n / m)) for c, m, n in sizes)
    return i, j, k


def center_of(case: Case, settings: TrainSettings, random: np.random.Generator) -> Shape:
    """A voxel of a random tissue, or any place where the window lies inside the brain's box."""
    size, voxels = case.target.shape[1:], case.tumor_voxels
    if random.random() < settings.tumor_share and len(voxels):
        tissue = random.choice(np.unique(voxels[:, 0]))
        _, i, j, k = random.choice(voxels[voxels[:, 0] == tissue])
    else:
        i, j, k = (_between(n, w, random) for n, w in zip(size, settings.window, strict=True))
    return int(i), int(j), int(k)


def _between(size: int, window: int, random: np.random.Generator) -> int:
    """A center along one axis; the middle where the window is at least as large as the brain."""
    if window >= size:
        return size // 2
    return int(random.integers(window // 2, size - window // 2 + 1))
