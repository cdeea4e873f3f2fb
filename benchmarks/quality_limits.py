"""Print quality numbers of good studies and of deliberately spoiled ones, and the verdicts.

Usage: python benchmarks/quality_limits.py FOLDER [FOLDER ...] [--good-only] [--json FILE]

The limits in latup_cli/quality/limits.py were set from these tables. Cases are found as by
benchmarks/channel_swap.py: images on one grid that are known to lie well. Registration is spoiled
in one modality after the other; the T1ce is the reference.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from channel_swap import Case, brought, cases, worst
from scipy import ndimage

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality.acquisition import check_acquisition
from latup_cli.quality.brain import check_brain
from latup_cli.quality.coarse import coarsen
from latup_cli.quality.contrast import check_channels
from latup_cli.quality.registration import check_registration, foreground

REFERENCE = "t1ce"
MOVING = ("t1", "t2", "flair")
Spoil = Callable[[Volume], Volume]
Row = tuple[str, tuple[Finding, ...]]


def warped(volume: Volume, source_from_ras: npt.NDArray[np.float64]) -> Volume:
    """An image read elsewhere: a motion in RAS mm about the center of the grid."""
    grid = volume.grid
    center = grid.corners_ras_mm().mean(axis=0)
    about = np.eye(4)
    about[:3, :3] = source_from_ras[:3, :3]
    about[:3, 3] = center - source_from_ras[:3, :3] @ center + source_from_ras[:3, 3]
    voxels = np.linalg.inv(grid.ras_from_voxel) @ about @ grid.ras_from_voxel
    moved = ndimage.affine_transform(volume.data, voxels[:3, :3], voxels[:3, 3], order=1)
    return Volume(moved.astype(np.float32), grid)


def shifted(mm: float) -> Spoil:
    """Moved by so many mm, askew."""
    motion = np.eye(4)
    motion[:3, 3] = mm * np.array([0.6, 0.64, 0.48])
    return lambda volume: warped(volume, motion)


def turned(degrees: float) -> Spoil:
    """Turned about an axis that is askew."""
    axis = np.array([0.48, 0.6, 0.64])
    cross = np.cross(np.eye(3), axis)
    angle = np.radians(degrees)
    motion = np.eye(4)
    motion[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return lambda volume: warped(volume, motion)


def scaled(factor: float) -> Spoil:
    """As it looks if its header states voxels that are `factor` times too large."""
    return lambda volume: warped(volume, np.diag([1 / factor] * 3 + [1.0]))


def quarter_turned(volume: Volume) -> Volume:
    """Turned by 90 degrees about the body's axis, without the header being told."""
    motion = np.eye(4)
    motion[:2, :2] = [[0, -1], [1, 0]]
    return warped(volume, motion)


def halved(volume: Volume) -> Volume:
    """One side is missing."""
    data = volume.data.copy()
    data[: data.shape[0] // 2] = 0
    return Volume(data, volume.grid)


MOTIONS: Mapping[str, Spoil] = {
    "shifted by 3 mm": shifted(3),
    "shifted by 5 mm": shifted(5),
    "shifted by 10 mm": shifted(10),
    "shifted by 20 mm": shifted(20),
    "turned by 5 degrees": turned(5),
    "turned by 10 degrees": turned(10),
    "turned by 20 degrees": turned(20),
    "turned by 90 degrees": quarter_turned,
    "half cut off": halved,
    "spacing x 0.5": scaled(0.5),
    "spacing x 2": scaled(2.0),
}


def registration_rows(case: Case, other: Case | None, *, spoil: bool) -> Iterator[Row]:
    """One modality after the other: good, spoiled, and that of another patient."""
    fixed = case.images[REFERENCE]
    for modality in MOVING:
        image = case.images[modality]
        spoiled = {"good": image}
        if spoil:
            spoiled |= {name: act(image) for name, act in MOTIONS.items()}
        if spoil and other is not None:
            spoiled["another patient's"] = brought(other.images[modality], case.brain)
        for name, moved in spoiled.items():
            both = coarsen({REFERENCE: fixed, modality: moved}, case.brain)
            yield name, check_registration(both, REFERENCE)


def respaced(case: Case, factor: float) -> Case:
    """All images and the mask with voxels of another size."""
    affine = case.brain.grid.ras_from_voxel @ np.diag([factor] * 3 + [1.0])
    grid = Grid(case.brain.grid.shape, affine)
    images = {name: Volume(image.data, grid) for name, image in case.images.items()}
    return replace(case, images=images, brain=Mask(case.brain.data, grid))


def deeper(brain: Mask, mm: float) -> Mask:
    """The brain eroded by so many mm; dilated, if negative."""
    data = brain.data if mm > 0 else ~brain.data
    away = ndimage.distance_transform_edt(data, sampling=brain.grid.spacing_mm)
    return Mask(away > mm if mm > 0 else away <= -mm, brain.grid)


def spoiled_brains(case: Case) -> Iterator[tuple[str, Case]]:
    """Masks that no one should trust."""
    for mm in (3.0, 6.0, 10.0):
        yield f"mask eroded by {mm:.0f} mm", replace(case, brain=deeper(case.brain, mm))
        yield f"mask dilated by {mm:.0f} mm", replace(case, brain=deeper(case.brain, -mm))
    yield "voxels x 0.5", respaced(case, 0.5)
    yield "voxels x 2", respaced(case, 2.0)
    lacking = case.brain.data.copy()
    lacking[: lacking.shape[0] // 2] = False
    half = Mask(lacking, case.brain.grid)
    yield "half of the mask", replace(case, brain=half)
    cut = {name: halved(image) for name, image in case.images.items()}
    yield "half of all images", replace(case, brain=half, images=cut)
    yield "half of one image", replace(case, images={**case.images, "t2": cut["t2"]})
    yield "a third of the slices missing", upper(case)
    head = Mask(foreground(case.images["t1ce"].data), case.brain.grid)
    if head.volume_ml > 1.5 * case.brain.volume_ml:
        yield "mask with skull", replace(case, brain=head)


def upper(case: Case) -> Case:
    """What a scan shows that begins a third of the brain too late."""
    k = np.flatnonzero(case.brain.data.any(axis=(0, 1)))
    start = int(k[0] + k.size // 3)
    shape = case.brain.data[:, :, start:].shape
    affine = case.brain.grid.ras_from_voxel.copy()
    affine[:3, 3] += affine[:3, 2] * start
    grid = Grid(shape, affine)
    images = {n: Volume(v.data[:, :, start:], grid) for n, v in case.images.items()}
    return replace(case, images=images, brain=Mask(case.brain.data[:, :, start:], grid))


def brain_rows(case: Case, *, spoil: bool) -> Iterator[Row]:
    """The mask as given and spoiled."""
    yield "good", judged_brain(case)
    for name, spoiled in spoiled_brains(case) if spoil else ():
        yield name, judged_brain(spoiled)


def judged_brain(case: Case) -> tuple[Finding, ...]:
    """What the check says about the mask."""
    return check_brain(case.images, case.brain, coarsen(case.images, case.brain))


def other_rows(case: Case) -> Iterator[Row]:
    """Channels and acquisition."""
    around = coarsen(case.images, case.brain)
    yield "good", check_channels(around, slice_mm=case.slice_mm)
    yield "good", check_acquisition({name: v.grid for name, v in case.images.items()})


def table(rows: list[Row]) -> list[dict[str, object]]:
    """Least, middle and largest of each number for each way of spoiling."""
    values: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for name, findings in rows:
        for finding in findings:
            values[finding.check, finding.subject, name].append(finding)
    lines: list[dict[str, object]] = []
    for (check, subject, name), found in values.items():
        numbers = [finding.value for finding in found]
        span = {"min": min(numbers), "median": float(np.median(numbers)), "max": max(numbers)}
        said = {str(v): sum(finding.verdict is v for finding in found) for v in Verdict}
        lines.append({"check": check, "subject": subject, "spoiled": name, **span, **said})
    return sorted(lines, key=lambda line: (str(line["check"]), str(line["subject"])))


def show(rows: list[Row]) -> None:
    """Print the numbers, then how often each way of spoiling was noticed."""
    print(f"{'check':<34}{'':<10}{'':<31}{'min':>9}{'median':>9}{'max':>9}   ok warn refused")
    for line in table(rows):
        span = "".join(f"{line[key]:9.3f}" for key in ("min", "median", "max"))
        counts = "".join(f"{line[str(v)]:5d}" for v in Verdict)
        print(f"{line['check']:<34}{line['subject']:<10}{line['spoiled']:<31}{span}{counts}")
    print(f"\n{'study':<34}{'ok':>8}{'warned':>8}{'refused':>8}")
    for name in dict.fromkeys(name for name, _ in rows):
        said = [worst(findings) for other, findings in rows if other == name]
        print(f"{name:<34}" + "".join(f"{said.count(verdict):8d}" for verdict in Verdict))


def main() -> None:
    """Measure every case and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--good-only", action="store_true", help="measure only good cases")
    parser.add_argument("--json", type=Path, help="write the numbers there too")
    asked = parser.parse_args()
    spoil = not asked.good_only
    registration: list[Row] = []
    brain: list[Row] = []
    other: list[Row] = []
    before: Case | None = None
    for case in cases(asked.folders):
        print(f"measuring {case.name}", flush=True)
        registration += registration_rows(case, before, spoil=spoil)
        brain += brain_rows(case, spoil=spoil)
        other += other_rows(case)
        before = case
    for title, rows in (("registration", registration), ("brain", brain), ("other", other)):
        print(f"\n== {title}")
        show(rows)
    if asked.json:
        lines = [*table(registration), *table(brain), *table(other)]
        asked.json.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
