"""Print how often the channel-swap check accepts true names and catches wrong ones.

Usage: python benchmarks/channel_swap.py FOLDER [FOLDER ...]

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

import numpy as np
from scipy import ndimage

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import LatupError
from latup_cli.imaging.nifti import read
from latup_cli.intake.find import find_study
from latup_cli.labels import MODALITIES
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
    """

    group: str
    name: str
    images: Mapping[str, Volume]
    brain: Mask


def cases(folders: list[Path]) -> Iterator[Case]:
    """Every study below the folders that has all four modalities."""
    below = {path for folder in folders for path in (folder, *folder.rglob("*")) if path.is_dir()}
    masks = [mask for folder in folders for mask in folder.rglob("*brain-mask*.nii*")]
    for folder in sorted(below):
        try:
            files = find_study(folder).modalities
            images = {name: read(files[name].path).volume for name in MODALITIES}
        except LatupError:
            continue  # no study, or one in DICOM
        given = next((mask for mask in masks if mask.name.startswith(folder.name)), None)
        brain = stripped_brain(images) if given is None else as_mask(read(given).volume)
        on_grid = {name: brought(image, brain) for name, image in images.items()}
        yield Case(folder.parent.name, folder.name, on_grid, brain)


def as_mask(volume: Volume) -> Mask:
    """What is not zero."""
    return Mask(volume.data > 0, volume.grid)


def stripped_brain(images: Mapping[str, Volume]) -> Mask:
    """What is not zero in any image, holes filled."""
    grid = images["t1ce"].grid
    anywhere = np.any([image.data != 0 for image in images.values()], axis=0)
    return Mask(ndimage.binary_fill_holes(anywhere), grid)


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
    asked = parser.parse_args()
    true: dict[str, list[Verdict]] = {}
    wrong: dict[tuple[str, str], list[Verdict]] = {}
    print(f"{'case':<36}" + "".join(f"{check.name[10:]:>31}" for check, *_ in QUESTIONS))
    for case in cases(asked.folders):
        found = tissues(case.images, case.brain)
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
