"""What tests of all stages share: small made-up brains and folders of NIfTI files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

os.environ["LATUP_CACHE"] = "off"  # tests leave nothing in anybody's home

Arrays = Mapping[str, npt.NDArray[np.float32]]
WriteImages = Callable[[Path, Mapping[str, str]], Path]

AFFINE = np.array([[-1.0, 0, 0, 20], [0, -1.0, 0, 18], [0, 0, 1.0, -19], [0, 0, 0, 1]])
"""Stored LPS, as BraTS is."""


@pytest.fixture(scope="session")
def brain_arrays() -> Arrays:
    """Modality to (36, 34, 38) float32: a textured ball in four contrasts, 0 outside."""
    shape = (36, 34, 38)
    center = [(n - 1) / 2 for n in shape]
    away = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(np.indices(shape), center, strict=True)))
    generator = np.random.default_rng(20)
    images = {}
    for modality, level in {"t1": 400, "t1ce": 500, "t2": 700, "flair": 300}.items():
        texture = generator.normal(level, 40, shape).clip(1)
        images[modality] = np.where(away < 15, texture, 0).astype(np.float32)
    return images


@pytest.fixture(scope="session")
def write_images(brain_arrays: Arrays) -> WriteImages:
    """A function that writes modality to file name into a folder; "seg" is a label map."""

    def write(folder: Path, names: Mapping[str, str]) -> Path:
        for modality, name in names.items():
            labels = (brain_arrays["t1"] > 450).astype(np.uint8)
            data = labels if modality == "seg" else brain_arrays[modality]
            image = nib.Nifti1Image(data, AFFINE)
            image.set_sform(AFFINE, code=1)
            image.set_qform(AFFINE, code=1)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # nibabel chooses the format by lower-case suffixes
            lower = path.with_name(name.rpartition("/")[2].lower())
            nib.save(image, lower)
            lower.rename(path)
        return folder

    return write
