"""Print how often the channel-swap check accepts true names and catches wrong ones.

Usage: python benchmarks/channel_swap.py FOLDER [FOLDER ...] [--slice-mm 5]

Every folder below the given ones that holds a study in a naming that `latup segment` knows is a
case. The brain is where any modality is not zero; a mask named `*brain-mask*` anywhere below the
given folders, named as the study, wins, and images that do not lie on its grid are brought there
by their headers alone. Each case is checked with its true names and with all 23 wrong ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from raw_like import STEPS_PER_SLICE
from scipy import ndimage

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import LatupError
from latup_cli.imaging.nifti import read
from latup_cli.intake.find import find_study
from latup_cli.labels import MODALITIES
from latup_cli.preprocess.resample import resample
from latup_cli.quality.coarse import coarsen
from latup_cli.quality.contrast import NAMED, QUESTIONS, measure_order
from latup_cli.quality.tissue import Tissues, tissues


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A study with true names.

    Attributes:
        group: Name of the folder that it lies in, such as "train".
        name: Of the study.
        images: Modality to image, all on the brain's grid.
        brain: The brain.
        slice_mm: Thickest slices of any image.
    """

    group: str
    name: str
    images: Mapping[str, Volume]
    brain: Mask
    slice_mm: float


def cases(folders: list[Path], *, slice_mm: float | None = None) -> Iterator[Case]:
    """Every study below the folders that has all four modalities, as it is or in thick slices."""
    below = {path for folder in folders for path in (folder, *folder.rglob("*")) if path.is_dir()}
    masks = [mask for folder in folders for mask in folder.rglob("*brain-mask*.nii*")]
    for folder in sorted(below):
        try:
            files = find_study(folder).modalities
            images = {name: read(files[name].path).volume for name in MODALITIES}
        except LatupError:
            continue  # no study, or one in DICOM
        given = next((mask for mask in masks if mask.name.startswith(folder.name)), None)
        thickest = max(max(image.grid.spacing_mm) for image in images.values())
        if given is not None:
            brain = as_mask(read(given).volume)
            images = {name: brought(image, brain) for name, image in images.items()}
        if slice_mm is not None:
            images = in_slices(images, slice_mm, np.random.default_rng(sum(folder.name.encode())))
            thickest = max(thickest, slice_mm)
        if given is None:
            brain = stripped_brain(images)
        yield Case(folder.parent.name, folder.name, images, brain, thickest)


def as_mask(volume: Volume) -> Mask:
    """What is not zero."""
    return Mask(volume.data > 0, volume.grid)


def stripped_brain(images: Mapping[str, Volume]) -> Mask:
    """What is not zero in any image, holes filled."""
    grid = images["t1ce"].grid
    brain = np.any([image.data != 0 for image in images.values()], axis=0)
    box = Box.around(brain).slices
    brain[box] = ndimage.binary_fill_holes(brain[box])
    return Mask(brain, grid)


def in_slices(
    images: Mapping[str, Volume], slice_mm: float, generator: np.random.Generator
) -> dict[str, Volume]:
    """Images cropped to what they show, each as if scanned in thick slices along some axis."""
    shown = np.any([image.data != 0 for image in images.values()], axis=0)
    box = Box.around(shown, margin=round(slice_mm))
    grid = images["t1ce"].grid.crop(box)
    return {
        name: thickened(
            Volume(np.ascontiguousarray(image.data[box.slices]), grid),
            int(generator.integers(3)),
            slice_mm,
            float(generator.uniform()),
        )
        for name, image in images.items()
    }


def thickened(volume: Volume, axis: int, slice_mm: float, phase: float) -> Volume:
    """An image in slices along an axis, the first of which begins `phase` of one too early."""
    grid = volume.grid
    spacing = np.array(grid.spacing_mm)
    if spacing[axis] >= slice_mm:
        return volume
    early = np.eye(4)
    early[axis, 3] = -phase * slice_mm / spacing[axis]
    longer = np.array(grid.shape)
    longer[axis] += np.ceil(slice_mm / spacing[axis])
    spacing[axis] = slice_mm
    stack = Grid(three(longer), grid.ras_from_voxel @ early).respaced(three(spacing))
    spacing[axis] /= STEPS_PER_SLICE
    fine = resample(volume.data, grid, stack.respaced(three(spacing)))
    parts = np.moveaxis(fine, axis, 0).reshape(-1, STEPS_PER_SLICE, *np.delete(fine.shape, axis))
    slices = np.ascontiguousarray(np.moveaxis(parts.mean(axis=1), 0, axis))
    return Volume(resample(slices, stack, grid), grid)


def three(values: np.ndarray) -> tuple[Any, Any, Any]:
    """Of an array, as grids take them."""
    i, j, k = values.tolist()
    return i, j, k


def brought(image: Volume, like: Mask) -> Volume:
    """The image on another grid, by the headers alone, linearly; 0 beyond it."""
    if image.grid.matches(like.grid):
        return Volume(image.data, like.grid)
    source_from_target = np.linalg.inv(image.grid.ras_from_voxel) @ like.grid.ras_from_voxel
    moved = ndimage.affine_transform(
        image.data,
        source_from_target[:3, :3],
        source_from_target[:3, 3],
        output_shape=like.grid.shape,
        order=1,
    )
    return Volume(moved.astype(np.float32), like.grid)


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The gravest verdict."""
    found = {finding.verdict for finding in findings}
    return next(v for v in (Verdict.REFUSED, Verdict.WARNING, Verdict.OK) if v in found)


def named_wrongly(found: Tissues) -> Iterator[tuple[tuple[str, ...], Verdict]]:
    """All 23 wrong orders and what the check says."""
    for t1, t1ce, t2, flair in permutations(MODALITIES):
        order = (t1, t1ce, t2, flair)
        if order != NAMED:
            yield order, worst(measure_order(found, order))


def exchanged(order: tuple[str, ...]) -> str:
    """The two names that are exchanged, or that it is more than that."""
    moved = [name for name, true in zip(MODALITIES, order, strict=True) if name != true]
    return " <-> ".join(moved) if len(moved) == 2 else f"{len(moved)} moved"


def main() -> None:
    """Check every case with every order and print rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--slice-mm", type=float, help="scan every image again in thick slices")
    asked = parser.parse_args()
    true: dict[str, list[Verdict]] = {}
    wrong: dict[tuple[str, str], list[Verdict]] = {}
    print(f"{'case':<36}" + "".join(f"{check.name[10:]:>31}" for check, *_ in QUESTIONS))
    for case in cases(asked.folders, slice_mm=asked.slice_mm):
        found = tissues(coarsen(case.images, case.brain), slice_mm=case.slice_mm)
        findings = measure_order(found, NAMED)
        true.setdefault(case.group, []).append(worst(findings))
        values = "".join(f"{finding.value:31.2f}" for finding in findings)
        print(f"{case.group + '/' + case.name:<36}{values}  {worst(findings)}", flush=True)
        for order, verdict in named_wrongly(found):
            wrong.setdefault((case.group, exchanged(order)), []).append(verdict)
    for title, rows in (("true names", true), ("wrong names", wrong)):
        print(f"\n{title:<36}{'checks':>8}{'ok':>8}{'warned':>8}{'refused':>8}")
        for key, said in sorted(rows.items(), key=str):
            counts = "".join(f"{said.count(verdict):8d}" for verdict in Verdict)
            label = key if isinstance(key, str) else ", ".join(key)
            print(f"{label:<36}{len(said):8d}{counts}")


if __name__ == "__main__":
    main()
