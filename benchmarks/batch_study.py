"""A study of small synthetic patients, good and bad, and a small model for it."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (40, 44, 36)
SPACING_MM = 1.0
"""The brain is far too small, so that one window holds it; `--force` lets it pass."""

LEVELS = {"t1": (400, 340), "t1ce": (500, 1200), "t2": (350, 700), "flair": (300, 700)}
"""Modality to the brightness of brain and tumor."""

AFFINE = np.array(
    [[-SPACING_MM, 0, 0, 20], [0, -SPACING_MM, 0, 22], [0, 0, SPACING_MM, -18], [0, 0, 0, 1]]
)


def write_study(folder: Path, patients: int, bad_every: int = 0) -> dict[str, str]:
    """Write patients `P000` and so on.

    Args:
        folder: Of the study.
        patients: How many.
        bad_every: Every so many-th patient is spoiled, each in the next way; 0 for none.

    Returns:
        Name to the way in which each bad patient was spoiled.
    """
    spoiled: dict[str, str] = {}
    ways = list(WAYS)
    for number in range(patients):
        patient = folder / f"P{number:03}"
        write_patient(patient, number)
        if bad_every and number % bad_every == bad_every - 1:
            way = ways[len(spoiled) % len(ways)]
            WAYS[way](patient)
            spoiled[patient.name] = way
    return spoiled


def write_patient(folder: Path, number: int) -> None:
    """An ellipsoid with texture, and in it a tumor with a place of its own."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(number)
    half = [(2 * i + 1) / n - 1 for i, n in zip(np.indices(SHAPE), SHAPE, strict=True)]
    brain = sum(axis**2 for axis in half) < 0.85**2
    center = random.uniform(-0.3, 0.3, 3)
    away = sum((axis - c) ** 2 for axis, c in zip(half, center, strict=True))
    tumor = brain & (away < random.uniform(0.2, 0.4) ** 2)
    for modality, (level, bright) in LEVELS.items():
        texture = random.normal(1.0, 0.05, SHAPE).clip(0.7, 1.3)
        data = np.where(brain, np.where(tumor, bright, level) * texture, 0).astype(np.float32)
        save(folder / f"case_{modality}.nii.gz", data)


def save(path: Path, data: np.ndarray) -> None:
    """Write one image, the same bytes whenever it is written."""
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(AFFINE, code=1)
    image.header.set_qform(AFFINE, code=1)
    path.write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))


def _missing(folder: Path) -> None:
    (folder / "case_flair.nii.gz").unlink()


def _empty(folder: Path) -> None:
    (folder / "case_t2.nii.gz").write_bytes(b"")


def _cut(folder: Path) -> None:
    path = folder / "case_t1.nii.gz"
    path.write_bytes(path.read_bytes()[:9000])


def _two(folder: Path) -> None:
    shutil.copy(folder / "case_t1.nii.gz", folder / "other_t1.nii.gz")


def _copy(folder: Path) -> None:
    shutil.copy(folder / "case_t1.nii.gz", folder / "case_t2.nii.gz")


def _text(folder: Path) -> None:
    (folder / "case_t1ce.nii.gz").write_text("a note")


def _nan(folder: Path) -> None:
    save(folder / "case_t2.nii.gz", np.full(SHAPE, np.nan, dtype=np.float32))


def _flat(folder: Path) -> None:
    save(folder / "case_t2.nii.gz", np.full(SHAPE, 7, dtype=np.float32))


def _nowhere(folder: Path) -> None:
    (folder / "case_t1.nii.gz").unlink()
    (folder / "case_t1.nii.gz").symlink_to("not-there")


def _nrrd(folder: Path) -> None:
    (folder / "case_t2.nii.gz").rename(folder / "case_t2.nrrd")


WAYS: Mapping[str, Callable[[Path], None]] = {
    "a modality is missing": _missing,
    "an empty file": _empty,
    "a file cut short": _cut,
    "two files for one modality": _two,
    "one image twice": _copy,
    "text for an image": _text,
    "not-a-number": _nan,
    "a constant image": _flat,
    "a link to nowhere": _nowhere,
    "another format": _nrrd,
}
"""What is wrong with a patient, and what makes it so."""
