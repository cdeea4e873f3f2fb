"""Measure how brains and tumors look on labelled BraTS subjects, for make_brats_like.py.

    python sample_data/measure_levels.py FOLDER [--json]

FOLDER holds one folder per subject in BraTS 2021 naming. Every figure is taken per subject on
z-scores (mean 0, standard deviation 1 inside the brain); printed are the median over subjects and
the spread between them, half of the middle 68 %. No voxel leaves this script.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latup_cli.domain.grid import Box
from latup_cli.imaging.nifti import read, read_labels
from latup_cli.labels import MODALITIES
from latup_cli.preprocess.brain import brain_mask
from latup_cli.preprocess.normalize import zscore

Array = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

TUMOR = {"NCR": 1, "ED": 2, "ET": 4}
HEALTHY = ("CSF", "GM", "WM")
CLEARANCE_MM = 5
"""Healthy tissue is taken at least this far from the tumor."""
SMALLEST_VOXELS = 1000
"""A tissue of less than 1 mL says nothing about its level."""
FINE_MM = 2.0
"""Texture is what a Gaussian of this standard deviation takes away."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BORDER_MM = (-6, -4, -2, -1, 1, 2, 4, 6)
"""Distances from the border of the whole tumor, negative inside, each the start of a 1 mm bin."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One subject, cropped to its brain.

    Attributes:
        z: Modality to (i, j, k) float32 z-scores.
        labels: (i, j, k) uint8, BraTS 2021 numbers.
        brain: (i, j, k) bool.
        start: Voxel of the uncropped image where the crop begins.
    """

    z: dict[str, Array]
    labels: npt.NDArray[np.uint8]
    brain: Bools
    start: tuple[int, int, int]


def read_subject(folder: Path) -> Subject:
    """Read and z-score the four modalities of one subject; 1 mm voxels are assumed."""
    images = {m: read(folder / f"{folder.name}_{m}.nii.gz").data for m in MODALITIES}
    brain = brain_mask(images.values())
    box = Box.around(brain)
    z = {m: zscore(image, brain)[box.slices] for m, image in images.items()}
    labels = read_labels(folder / f"{folder.name}_seg.nii.gz").data[box.slices].astype(np.uint8)
    return Subject(z, labels, brain[box.slices], box.start)


def healthy_tissue(subject: Subject) -> dict[str, Bools]:
    """Surrogates of CSF, gray and white matter: three clusters of T1, T1ce and T2.

    K-means, started at low, middle and high quantiles of T1 - T2, on the voxels away from the
    tumor; the clusters keep their order, since CSF is darkest on T1 and brightest on T2.
    """
    outside = ~ndimage.binary_dilation(subject.labels > 0, iterations=CLEARANCE_MM)
    where = subject.brain & outside
    points = np.stack([subject.z[m][where] for m in ("t1", "t1ce", "t2")], axis=1)
    order = np.argsort(points[:, 0] - points[:, 2])
    centers = points[order[(np.array([0.03, 0.4, 0.8]) * len(order)).astype(int)]]
    nearest = _k_means(points, centers)
    tissue = np.full(where.shape, -1)
    tissue[where] = nearest
    return {name: tissue == number for number, name in enumerate(HEALTHY)}


def _k_means(points: Array, centers: Array) -> npt.NDArray[np.intp]:
    nearest = np.zeros(len(points), dtype=np.intp)
    for _ in range(25):
        nearest = np.argmin([((points - c) ** 2).sum(axis=1) for c in centers], axis=0)
        centers = np.stack([points[nearest == n].mean(axis=0) for n in range(len(centers))])
    return nearest


def measure(subject: Subject) -> dict[str, float]:
    """Every figure of one subject, by a name with slashes."""
    tissue = healthy_tissue(subject)
    tissue |= {name: subject.labels == number for name, number in TUMOR.items()}
    figures = dict(_shape(subject, tissue))
    to_border = _signed_distance_mm(subject.labels > 0)
    for modality, z in subject.z.items():
        fine = z - _smooth_inside(z, subject.brain)
        figures |= dict(_levels(modality, z, fine, tissue))
        figures |= dict(_texture(modality, z, fine, tissue["WM"]))
        inside = z[subject.brain]
        figures |= {f"quantile/{modality}/{q}": float(np.quantile(inside, q)) for q in QUANTILES}
        figures |= dict(_border(modality, z, to_border, subject.brain))
    return figures


def _shape(subject: Subject, tissue: dict[str, Bools]) -> Iterator[tuple[str, float]]:
    yield "brain/ml", subject.brain.sum() / 1000.0
    center = np.argwhere(subject.brain).mean(axis=0) + subject.start
    for axis in range(3):
        yield f"brain/center_{'ijk'[axis]}", float(center[axis])
        yield f"brain/extent_{'ijk'[axis]}", float(subject.brain.shape[axis])
    for name, mask in tissue.items():
        unit = "ml" if name in TUMOR else "fraction"
        per = 1000.0 if name in TUMOR else sum(tissue[n].sum() for n in HEALTHY)
        yield f"{unit}/{name}", float(mask.sum() / per)


def _levels(
    modality: str, z: Array, fine: Array, tissue: dict[str, Bools]
) -> Iterator[tuple[str, float]]:
    """Median, robust spread inside the tissue, and the part of it that is fine texture."""
    for name, mask in tissue.items():
        if mask.sum() < SMALLEST_VOXELS:
            continue
        yield f"level/{modality}/{name}", float(np.median(z[mask]))
        yield f"within/{modality}/{name}", _robust_sd(z[mask])
        yield f"fine/{modality}/{name}", _robust_sd(fine[mask])


def _texture(modality: str, z: Array, fine: Array, white: Bools) -> Iterator[tuple[str, float]]:
    """Noise, its correlation from voxel to voxel, and bias, inside thick white matter."""
    core = ndimage.binary_erosion(white, iterations=2)
    if core.sum() < SMALLEST_VOXELS:
        core = ndimage.binary_erosion(white)
    yield f"noise/{modality}/sd", _robust_sd(fine[core])
    for axis in range(3):
        pairs = core & np.roll(core, -1, axis)
        following = np.roll(fine, -1, axis)[pairs]
        yield f"noise/{modality}/lag1_{'ijk'[axis]}", _robust_correlation(fine[pairs], following)
    yield f"bias/{modality}/sd", _quadratic_sd(z, core)


def _border(modality: str, z: Array, to_border: Array, brain: Bools) -> Iterator[tuple[str, float]]:
    for start in BORDER_MM:
        ring = brain & (to_border >= start) & (to_border < start + 1)
        if ring.any():
            yield f"border/{modality}/{start}", float(z[ring].mean())


def _smooth_inside(z: Array, brain: Bools) -> Array:
    """Gaussian mean of the brain voxels around each voxel."""
    weight = ndimage.gaussian_filter(brain.astype(np.float32), FINE_MM)
    smooth: Array = ndimage.gaussian_filter(np.where(brain, z, 0.0), FINE_MM)
    return smooth / np.maximum(weight, 1e-3)


def _signed_distance_mm(mask: Bools) -> Array:
    outside: Array = ndimage.distance_transform_edt(~mask)
    inside: Array = ndimage.distance_transform_edt(mask)
    return outside - inside


def _robust_sd(values: Array) -> float:
    """Half of the middle 68 %, which is the standard deviation if the values are normal."""
    low, high = np.quantile(values, (0.1587, 0.8413))
    return float(high - low) / 2.0


def _robust_correlation(a: Array, b: Array) -> float:
    """From the spreads of sum and difference, which outliers (vessels) hardly move."""
    plus, minus = _robust_sd(a + b) ** 2, _robust_sd(a - b) ** 2
    return (plus - minus) / max(plus + minus, 1e-12)


def _quadratic_sd(z: Array, where: Bools) -> float:
    """Spread of the quadratic in space that fits the values best."""
    i, j, k = (np.argwhere(where) / 100.0).T
    terms = np.stack([np.ones_like(i), i, j, k, i * i, j * j, k * k, i * j, i * k, j * k], axis=1)
    values = z[where]
    kept = np.abs(values - np.median(values)) < 3 * _robust_sd(values)
    fit, *_ = np.linalg.lstsq(terms[kept], values[kept].astype(np.float64), rcond=None)
    return float((terms @ fit).std())


def summarize(subjects: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Median over subjects and spread between them, for every figure that any of them has."""
    names = dict.fromkeys(name for figures in subjects for name in figures)
    summary = {}
    for name in names:
        values = np.array([figures[name] for figures in subjects if name in figures])
        summary[name] = (float(np.median(values)), _robust_sd(values))
    return summary


def subject_folders(folder: Path) -> list[Path]:
    """Folders in `folder` that hold a segmentation, or `folder` itself if it is one."""
    candidates = [folder.resolve(), *sorted(folder.resolve().iterdir())]
    return [f for f in candidates if (f / f"{f.name}_seg.nii.gz").is_file()]


def _table(summary: dict[str, tuple[float, float]], count: int) -> str:
    lines = [f"{count} subjects", f"{'figure':28} {'median':>9} {'spread':>9}"]
    lines += [f"{name:28} {mid:9.3f} {spread:9.3f}" for name, (mid, spread) in summary.items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures of the folder that was named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    folders = subject_folders(options.folder)
    if not folders:
        parser.error(f"no subject with a segmentation in {options.folder}")
    subjects = [measure(read_subject(folder)) for folder in folders]
    summary = summarize(subjects)
    text = json.dumps(summary, indent=1) if options.json else _table(summary, len(subjects))
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
