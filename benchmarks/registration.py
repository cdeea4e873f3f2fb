"""Print how far registration misses a known motion: registration.py DATA_FOLDER.

Every case of the folder (four aligned, skull-stripped modalities each) becomes a raw study:
each modality is moved by its own random rigid motion, acquired in thick slices along a random
plane, stored in a random axis order under an oblique header, with some noise. T1, T2 and FLAIR
are then registered to the T1ce. The error is the mean distance over the brain to the true place.

The "truth" takes the cases for perfectly aligned, which real ones are not: the column "floor" is
how far the same method moves the untouched pair. Two whole heads are another matter than
two stripped brains; this script measures the latter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from raw_like import Scan, brain_points, random_motion, random_scan, simulate

from latup_cli.domain.transform import Registration, RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.imaging.nifti import read
from latup_cli.intake.find import find_study
from latup_cli.preprocess.register import register

REFERENCE = "t1ce"
MOVED = ("t1", "t2", "flair")
GOOD_MM, WRONG_MM = 1.0, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """One acquired series with the truth about it."""

    volume: Volume
    motion: RigidTransform
    scan: Scan


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One registered pair."""

    case: str
    planes: str
    true_deg: float
    true_mm: float
    error_mm: float
    floor_mm: float
    cpu_s: float
    found: Registration


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Volume]]]:
    """Name and modalities of every case below a folder, or of the folder itself."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    for case in folders:
        files = find_study(case).modalities
        yield case.name, {name: read(file.path).volume for name, file in files.items()}


def raw_study(
    images: dict[str, Volume], generator: np.random.Generator, most: tuple[float, float]
) -> dict[str, Raw]:
    """Each modality moved and acquired on its own."""
    center = brain_points(images[REFERENCE]).mean(axis=0)
    study = {}
    for modality in (REFERENCE, *MOVED):
        motion = random_motion(generator, center, most_mm=most[0], most_deg=most[1])
        scan = random_scan(generator)
        seed = int(generator.integers(2**31))
        study[modality] = Raw(simulate(images[modality], motion, scan, seed=seed), motion, scan)
    return study


def rows(
    name: str, images: dict[str, Volume], study: dict[str, Raw], floors: dict[str, float]
) -> Iterator[Row]:
    """Register the three modalities to the T1ce and measure."""
    fixed = study[REFERENCE]
    points = fixed.motion.apply(brain_points(images[REFERENCE]))
    for modality in MOVED:
        moving = study[modality]
        truth = moving.motion @ fixed.motion.inverse()
        started = time.process_time()
        found = register(fixed.volume, moving.volume, modality=modality)
        yield Row(
            name,
            f"{fixed.scan.plane[:3]}<{moving.scan.plane[:3]}",
            truth.rotation_deg,
            truth.translation_mm(points.mean(axis=0)),
            found.transform.mean_displacement_mm(truth, points),
            floors[modality],
            time.process_time() - started,
            found,
        )


def floors_mm(images: dict[str, Volume]) -> dict[str, float]:
    """How far the method moves each aligned modality as it is."""
    points = brain_points(images[REFERENCE])
    still = RigidTransform.identity()
    return {
        modality: register(
            images[REFERENCE], images[modality], modality=modality
        ).transform.mean_displacement_mm(still, points)
        for modality in MOVED
    }


def told(row: Row) -> str:
    """One line about a pair."""
    found, numbers = row.found, row.found.numbers
    return (
        f"{row.case:24} {found.modality:5} {row.planes:8} {row.true_mm:5.1f} mm "
        f"{row.true_deg:4.1f} deg  error {row.error_mm:5.2f} floor {row.floor_mm:5.2f} mm  "
        f"MI {found.mutual_information_before:.3f} to {found.mutual_information_after:.3f}  "
        f"overlap {numbers['head_overlap']:.3f}  repeat {numbers['repeat_mm']:5.2f} mm  "
        f"from {found.start:7} {row.cpu_s:4.1f} s"
    )


def summary(done: list[Row]) -> Iterator[str]:
    """The figures that matter, and what would have told the wrong ones."""
    errors = np.array([row.error_mm for row in done])
    yield (
        f"{len(done)} pairs: error below {GOOD_MM:g} mm in {np.mean(errors < GOOD_MM):.1%}, "
        f"median {np.median(errors):.2f}, 95th percentile {np.percentile(errors, 95):.2f}, "
        f"largest {errors.max():.2f} mm; above {WRONG_MM:g} mm: {np.sum(errors > WRONG_MM)}; "
        f"CPU seconds {np.mean([row.cpu_s for row in done]):.1f} on average"
    )
    exact = np.array([row.error_mm for row in done if row.floor_mm < GOOD_MM / 2])
    if exact.size:
        yield (
            f"{exact.size} pairs of inputs that were aligned to within {GOOD_MM / 2:g} mm: "
            f"below {GOOD_MM:g} mm in {np.mean(exact < GOOD_MM):.1%}, largest {exact.max():.2f} mm"
        )
    for kind, wrong in (("right", False), ("wrong", True)):
        found = [row.found for row in done if (row.error_mm > WRONG_MM) is wrong]
        if found:
            after = _range([one.mutual_information_after for one in found])
            overlap = _range([one.numbers["head_overlap"] for one in found])
            repeat = _range([one.numbers["repeat_mm"] for one in found])
            yield f"{kind}: MI after {after}, overlap {overlap}, repeat {repeat} mm"


def _range(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def main() -> None:
    """Simulate, register, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=2, help="raw studies of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-mm", type=float, default=15.0)
    parser.add_argument("--most-deg", type=float, default=15.0)
    asked = parser.parse_args()
    done: list[Row] = []
    for number, (name, images) in enumerate(cases(asked.folder)):
        floors = floors_mm(images)
        for repeat in range(asked.studies):
            generator = np.random.default_rng((asked.seed, number, repeat))
            study = raw_study(images, generator, (asked.most_mm, asked.most_deg))
            for row in rows(name, images, study, floors):
                print(told(row), flush=True)
                done.append(row)
    print("\n".join(summary(done)))


if __name__ == "__main__":
    main()
