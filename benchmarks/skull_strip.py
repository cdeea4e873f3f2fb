"""Print what the shipped skull-strip networks do: skull_strip.py HEADS --reference MASK.

HEADS is a folder of one patient's series as scanned. Every modality is stripped on its own grid;
where the reference mask lies on that grid, its Dice is printed. Then the T1ce again in other
lattices (1 mm cubes; sagittal slices of 5 mm), each mask brought back to the T1ce's own grid.

With --stripped BRATS_FOLDER, images that are stripped already: how much of the brain is left.
With --shape BRATS_FOLDER, only the figures of `brain_choice` on those brains; no network runs.
With --deepbet, the same heads through deepbet itself, where it is installed.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.imaging.nifti import read, read_labels
from latup_cli.inference.brain_models import BrainModels, load
from latup_cli.intake.find import find_study
from latup_cli.labels import MODALITIES
from latup_cli.preprocess.brain import brain_mask
from latup_cli.preprocess.brain_choice import BrainFacts, measure_brain, most_plausible
from latup_cli.preprocess.resample import resample
from latup_cli.preprocess.skull_strip import strip

Strip = Callable[[Volume], Mask]
REFERENCE = "t1ce"


def opened(engine: str, models: BrainModels) -> Strip:
    """Both networks in an engine, ready to strip."""
    module = importlib.import_module(f"latup_cli.inference.{engine}_engine")
    box, brain = module.open_on_cpu(models.box), module.open_on_cpu(models.brain)
    return lambda image: strip(image, box, brain)


def images(folder: Path) -> dict[str, Volume]:
    """A patient's modalities, each on its own grid."""
    found = find_study(folder).modalities
    return {modality: read(found[modality].path).volume for modality in MODALITIES}


def patients(folder: Path, every: int) -> Iterator[Path]:
    """Folders below a folder that hold images, one of `every`."""
    yield from sorted({path.parent for path in folder.rglob("*.nii*")})[::every]


def dice(one: Mask, other: Mask) -> float:
    """Of two masks on one grid."""
    both = np.count_nonzero(one.data & other.data)
    return 2.0 * both / (np.count_nonzero(one.data) + np.count_nonzero(other.data))


def moved(mask: Mask, target: Grid) -> Mask:
    """A mask on another grid: where linear interpolation of it is above a half."""
    return Mask(resample(mask.data.astype(np.float32), mask.grid, target) > 0.5, target)


def sagittal(grid: Grid, thickness_mm: float) -> Grid:
    """The same block of space in sagittal slices of this thickness, 1 mm within."""
    across = int(np.argmax(np.abs(grid.ras_from_voxel[0, :3])))
    i, j, k = (thickness_mm if axis == across else 1.0 for axis in range(3))
    return grid.respaced((i, j, k))


def described(facts: BrainFacts) -> str:
    """One line of figures."""
    return (
        f"{facts.volume_ml:7.0f} mL  in one {facts.in_one:.3f}  symmetry {facts.symmetry:.3f}  "
        f"compactness {facts.compactness:.3f}"
    )


def peak_gib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def heads(folder: Path, reference: Mask, remove_skull: Strip) -> dict[str, Mask]:
    """Strip every modality as scanned, print a line each, then the choice."""
    masks = {}
    for modality, image in images(folder).items():
        started = time.perf_counter()
        mask = masks[modality] = remove_skull(image)
        seconds = time.perf_counter() - started
        same = mask.grid.matches(reference.grid, tolerance_mm=0.1)
        agrees = f"Dice {dice(mask, reference):.4f}" if same else "another grid"
        print(f"{modality:5} {described(measure_brain(mask))}  {agrees}  {seconds:.1f} s")
    on_one = {name: masks[name] for name in (REFERENCE, "t1")}
    chosen = most_plausible({n: moved(m, masks[REFERENCE].grid) for n, m in on_one.items()})
    print(f"chosen: {chosen.reason}; problems: {', '.join(chosen.problems) or 'none'}")
    return masks


def other_lattices(folder: Path, reference: Mask, remove_skull: Strip) -> None:
    """The T1ce in voxels of other sizes."""
    image = images(folder)[REFERENCE]
    lattices = {
        "1 mm cubes": image.grid.respaced((1.0, 1.0, 1.0)),
        "sagittal, 5 mm": sagittal(image.grid, 5.0),
    }
    for name, grid in lattices.items():
        mask = remove_skull(Volume(resample(image.data, image.grid, grid), grid))
        there = dice(moved(mask, image.grid), reference)
        print(f"{REFERENCE} in {name}: {described(measure_brain(mask))}  Dice {there:.4f}")


def stripped_already(folder: Path, every: int, remove_skull: Strip) -> None:
    """What is left of brains that have no skull."""
    for patient in patients(folder, every):
        volumes = images(patient)
        grid = volumes[REFERENCE].grid
        brain = Mask(brain_mask([volume.data for volume in volumes.values()]), grid)
        mask = remove_skull(volumes[REFERENCE])
        kept = np.count_nonzero(mask.data & brain.data) / np.count_nonzero(brain.data)
        print(f"{patient.name:28} kept {kept:.3f}  Dice {dice(mask, brain):.4f}")


def shapes(folder: Path) -> None:
    """The figures of brains, and their ranges."""
    rows = []
    for patient in patients(folder, 1):
        volumes = images(patient)
        brain = brain_mask([volume.data for volume in volumes.values()])
        facts = measure_brain(Mask(brain, volumes[REFERENCE].grid))
        print(f"{described(facts)}  {patient.name}")
        rows.append((facts.volume_ml, facts.in_one, facts.symmetry, facts.compactness))
    for name, low, high in zip(
        ("mL", "in one", "symmetry", "compactness"),
        np.min(rows, axis=0),
        np.max(rows, axis=0),
        strict=True,
    ):
        print(f"{name}: {low:.3f} to {high:.3f} ({len(rows)} brains)")


def beside_deepbet(folder: Path, masks: dict[str, Mask]) -> None:
    """Dice of our masks with those that deepbet makes of the same files."""
    extraction = importlib.import_module("deepbet.bet").BrainExtraction(no_gpu=True)
    for modality, found in find_study(folder).modalities.items():
        _, mask, _ = extraction.run(str(found.path))
        theirs = Mask(np.asarray(mask.dataobj) > 0, masks[modality].grid)
        print(f"{modality:5} Dice with deepbet itself {dice(masks[modality], theirs):.5f}")


def main() -> None:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("heads", type=Path, nargs="?")
    parser.add_argument("--reference", type=Path, help="brain mask on the grid of the T1ce")
    parser.add_argument("--engine", choices=("openvino", "onnxruntime"), default="openvino")
    parser.add_argument("--stripped", type=Path, help="folder of BraTS patients")
    parser.add_argument("--every", type=int, default=1, help="take one of so many of these")
    parser.add_argument("--shape", type=Path, help="folder of BraTS patients")
    parser.add_argument("--deepbet", action="store_true")
    given = parser.parse_args()
    if given.shape:
        shapes(given.shape)
        return
    remove_skull = opened(given.engine, load())
    if given.heads and given.reference:
        labels = read_labels(given.reference)
        reference = Mask(labels.data != 0, labels.grid)
        masks = heads(given.heads, reference, remove_skull)
        other_lattices(given.heads, reference, remove_skull)
        if given.deepbet:
            beside_deepbet(given.heads, masks)
    if given.stripped:
        stripped_already(given.stripped, given.every, remove_skull)
    print(f"{given.engine}: at most {peak_gib():.2f} GiB held")


if __name__ == "__main__":
    main()
