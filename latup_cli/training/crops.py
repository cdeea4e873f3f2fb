"""Where in a patient a crop is taken, and which crops make up a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from monai.transforms import Compose
from torch.utils.data import DataLoader, Dataset

from latup_cli.domain.grid import Shape
from latup_cli.training.appearance import Appearances, painted
from latup_cli.training.augment import augment, intensities
from latup_cli.training.bias import shaded
from latup_cli.training.cases import Case
from latup_cli.training.hardware import Place
from latup_cli.training.lesions import Lesions, implanted
from latup_cli.training.mix import Sample, mix
from latup_cli.training.settings import TrainSettings
from latup_cli.training.simulate import Shapes, grown, place_in, regions_in
from latup_cli.training.slices import THIN, Scan, draw_scan, in_slices
from latup_cli.training.turn import Turn, draw_turn, reach, turned

_ROUNDING = 1e-3  # z-score that interpolation may leave where there is no brain


class Crops(Dataset[Sample]):
    """Every crop of a run by its number, fixed by the seed alone.

    A run that is resumed, or that has other worker processes, sees the same crops.

    Attributes:
        cases: Patients to cut from.
        settings: The run's.
        appearances: Tumors whose contrasts are borrowed; None for none.
        shapes: Tumors that are drawn into crops, with these contrasts; None for none.
        lesions: Lesions that are put into crops; None for none.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        settings: TrainSettings,
        appearances: Appearances | None = None,
        shapes: Shapes | None = None,
        lesions: Lesions | None = None,
    ) -> None:
        self.cases = cases
        self.settings = settings
        self.appearances = appearances
        self.shapes = shapes
        self.lesions = lesions
        self._changes: Compose | None = None

    def __getitem__(self, index: int) -> Sample:
        """One crop, after augmentation."""
        settings = self.settings
        epoch, position = divmod(index, len(self.cases))
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(self.cases))
        random = np.random.default_rng([settings.seed, 1, index])
        if self._changes is None:  # made here, so that a worker process has its own
            self._changes = intensities(settings)
        turn, scan = draw_turn(settings, random), draw_scan(settings, random)
        image, target = self._drawn(self.cases[order[position]], turn, scan, random)
        if self.lesions and random.random() < settings.lesion_probability:
            image, target = implanted(
                (image, target), self.lesions, turn, scan, settings.spacing_mm, random
            )
        if self.appearances and random.random() < settings.paint_probability:
            image = painted(image, target, self.appearances, random)
        if random.random() < settings.bias_probability:
            image = shaded(image, settings.bias_strength, random)
        seed = int(random.integers(2**31))
        return augment(image, self._changes, settings.drop_probability, seed), target

    def _drawn(self, case: Case, turn: Turn, scan: Scan, random: np.random.Generator) -> Sample:
        """A crop with its own tumor, a simulated one, or another patient's scanned like its own."""
        settings = self.settings
        if self.shapes and self.appearances and random.random() < settings.simulate_probability:
            tumor = self.shapes.draw(random, settings.simulate_without_et_share)
            brain = _size(case)
            center = place_in(tumor, brain, random)
            regions = regions_in(tumor, brain, center, turn, settings.window)
            host = window(case, center, turn, settings, THIN)
            image, target = grown(host, regions, self.appearances, random, enhances=tumor.enhances)
            return in_slices(image, scan, (settings.spacing_mm,) * 3), target
        if random.random() >= settings.mix_probability:
            return window(case, center_of(case, settings, random), turn, settings, scan)
        donor = self.cases[int(random.integers(len(self.cases)))]
        center = center_of(donor, settings, random)
        host = window(case, same_place(center, donor, case), turn, settings, scan)
        return mix(host, window(donor, center, turn, settings, scan), random)


def batches(crops: Crops, first_step: int, place: Place) -> Iterator[Sample]:
    """Batches of this process from a step on: (n, modalities, i, j, k) and (n, 3, i, j, k)."""
    settings = crops.settings
    size = settings.batch_size
    starts = [(step * place.of + place.rank) * size for step in range(first_step, settings.steps)]
    loader: DataLoader[Sample] = DataLoader(
        crops,
        batch_sampler=[list(range(start, start + size)) for start in starts],
        num_workers=settings.workers,
        multiprocessing_context="spawn" if settings.workers else None,
    )
    yield from loader


def window(case: Case, center: Shape, turn: Turn, settings: TrainSettings, scan: Scan) -> Sample:
    """A window around a voxel, turned, as if scanned like this.

    Args:
        case: The patient.
        center: The first voxel behind the window's center.
        turn: How the window lies.
        settings: The run's.
        scan: In which slices.

    Returns:
        Image (modalities, *window), 0 outside the brain, and target (3, *window) in [0, 1].
    """
    middle = np.array(center) - 0.5
    box = reach(turn, middle, settings.window, case.target.shape[1:])
    image = torch.from_numpy(case.image[(slice(None), *box.slices)].astype(np.float32))
    image = in_slices(image, scan, (settings.spacing_mm,) * 3)
    target = torch.from_numpy(case.target[(slice(None), *box.slices)].astype(np.float32))
    both = turned(torch.cat([image, target]), middle - box.start, turn, settings.window)
    seen, shares = both[: len(image)], both[len(image) :] / 255.0
    return seen * (seen.abs().amax(dim=0) > _ROUNDING), shares


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


def _size(case: Case) -> Shape:
    i, j, k = case.target.shape[1:]
    return i, j, k


def _between(size: int, window: int, random: np.random.Generator) -> int:
    """A center along one axis; the middle where the window is at least as large as the brain."""
    if window >= size:
        return size // 2
    return int(random.integers(window // 2, size - window // 2 + 1))
