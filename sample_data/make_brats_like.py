"""Make the sample patient: four synthetic MR images and the labels that they were made from.

    python sample_data/make_brats_like.py [FOLDER]

Writes FOLDER/LATUP-SAMPLE-001/ in BraTS 2021 naming and geometry. The anatomy is the ICBM 152
template of 2009 that the package nilearn ships (see NOTICE.md), bent into an individual; the tumor
is drawn from a seed; how tissue looks was measured on BraTS subjects by measure_levels.py. No
voxel of a patient is in it. The same seed gives the same voxels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from phantom.anatomy import Anatomy, MassEffect, Person, grow_person, ras_mm, read_template
from phantom.appearance import Contrast, Scale, compose_scene, render, scan
from phantom.tumor import Lobe, Tumor, TumorPlan, grow_tumor

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap
from latup_cli.imaging.nifti import write_labels, write_volume
from latup_cli.labels import label_scheme

_Number = TypeVar("_Number", bound=np.generic)

NAME = "LATUP-SAMPLE-001"
SEED = 20211
GRID = Grid(
    (240, 240, 155),
    np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 239], [0, 0, 1.0, 0], [0, 0, 0, 1]]),
)
"""The BraTS grid: 1 mm, stored LPS, SRI24 space."""

BRAIN_BOX = Box((44, 36, 0), (196, 222, 150))
"""Part of the grid that the brain lies in; the rest is background."""

MEASURED_LEVELS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "t1": {
        "CSF": (-1.67, 0.34),
        "GM": (-0.32, 0.18),
        "WM": (0.82, 0.17),
        "NCR": (-0.54, 0.56),
        "ED": (0.16, 0.49),
        "ET": (-0.18, 0.47),
    },
    "t1ce": {
        "CSF": (-1.19, 0.32),
        "GM": (-0.31, 0.14),
        "WM": (0.37, 0.17),
        "NCR": (-0.49, 0.40),
        "ED": (-0.16, 0.38),
        "ET": (2.04, 0.64),
    },
    "t2": {
        "CSF": (1.74, 0.37),
        "GM": (-0.12, 0.21),
        "WM": (-0.65, 0.17),
        "NCR": (1.65, 0.82),
        "ED": (0.61, 0.61),
        "ET": (0.95, 0.51),
    },
    "flair": {
        "CSF": (-0.93, 0.24),
        "GM": (-0.03, 0.22),
        "WM": (-0.14, 0.25),
        "NCR": (2.36, 0.74),
        "ED": (2.03, 0.67),
        "ET": (2.47, 0.65),
    },
}
"""`level/...` of measure_levels.py: modality to class to the median z-score of the class's voxels,
as median over the subjects and spread between them. CSF, gray and white matter are clusters."""

MEASURED_NOISE: Mapping[str, tuple[float, float]] = {
    "t1": (0.24, 0.05),
    "t1ce": (0.19, 0.05),
    "t2": (0.15, 0.02),
    "flair": (0.19, 0.04),
}
"""`noise/.../sd`: z-score deviation of what varies within 2 mm in thick white matter."""

MEASURED_NOISE_LAG1: Mapping[str, tuple[float, float, float]] = {
    "t1": (0.66, 0.74, 0.70),
    "t1ce": (0.51, 0.66, 0.60),
    "t2": (0.71, 0.75, 0.89),
    "flair": (0.42, 0.59, 0.87),
}
"""`noise/.../lag1_*`: its correlation between neighboring voxels along i, j, k."""

MEASURED_BIAS: Mapping[str, tuple[float, float]] = {
    "t1": (0.22, 0.09),
    "t1ce": (0.20, 0.08),
    "t2": (0.11, 0.06),
    "flair": (0.16, 0.07),
}
"""`bias/.../sd`: z-score deviation of the best quadratic in space through white matter."""

PERSON = Person(
    # Printed by register_template.py.
    mni_from_sri=(
        (1.0720, 0.0264, 0.0068, 123.9779),
        (-0.0451, 1.0318, 0.2359, -152.1146),
        (-0.0040, -0.2600, 1.1043, -46.9072),
    ),
    wide_warp_mm=2.5,
    fine_warp_mm=0.8,
    sharpness=2.1,
    folding=0.6,
    odds=(5.0, 1.0, 2.0),
    shaved_mm=2.5,
)

PLAN = TumorPlan(
    lobes=(
        Lobe((-83.0, 92.0, 100.0), (21.0, 16.5, 15.5), 30.0),
        Lobe((-92.0, 106.0, 96.0), (11.0, 13.0, 10.0), 0.0),
    ),
    ragged=0.17,
    rim_mm=3.5,
    rim_spread_mm=1.5,
    gaps=0.08,
    strands=0.10,
    edema_ml=52.0,
    edema_fade_mm=10.0,
)

PUSH = MassEffect((-85.0, 95.0, 99.0), strength=0.3, reach_mm=32.0)

SCALE = Scale(mean=110.0, deviation=20.0, largest=255)

_EVEN: Mapping[str, float] = {"CSF": 0.4, "GM": 0.25, "WM": 0.15, "NCR": 0.4, "ED": 0.4, "ET": 0.35}
CONTRASTS: Mapping[str, Contrast] = {
    "t1": Contrast(
        levels={"CSF": -1.75, "GM": -0.30, "WM": 0.74, "NCR": -0.65, "ED": 0.0, "ET": -0.35},
        uneven={**_EVEN, "NCR": 0.3},
        deep=-0.4,
        detail=3.0,
        vessels=0.0,
        blur_mm=(0.6, 0.6, 0.6),
        noise=0.20,
        noise_blur_mm=(0.70, 0.75, 0.75),
        bias=0.21,
    ),
    "t1ce": Contrast(
        levels={"CSF": -1.10, "GM": -0.22, "WM": 0.25, "NCR": -0.10, "ED": -0.12, "ET": 1.4},
        uneven={**_EVEN, "NCR": 0.35, "ED": 0.3, "ET": 0.8, "WM": 0.1},
        deep=-0.3,
        detail=2.0,
        vessels=5.0,
        blur_mm=(0.5, 0.5, 0.5),
        noise=0.17,
        noise_blur_mm=(0.52, 0.66, 0.62),
        bias=0.20,
    ),
    "t2": Contrast(
        levels={"CSF": 1.95, "GM": -0.10, "WM": -0.65, "NCR": 1.6, "ED": 0.6, "ET": 0.8},
        uneven={**_EVEN, "NCR": 0.7, "CSF": 0.6, "WM": 0.1},
        deep=0.8,
        detail=0.0,
        vessels=-0.5,
        blur_mm=(0.45, 0.45, 0.9),
        noise=0.13,
        noise_blur_mm=(0.80, 0.85, 1.35),
        bias=0.12,
    ),
    "flair": Contrast(
        levels={"CSF": -1.0, "GM": 0.0, "WM": -0.14, "NCR": 1.4, "ED": 1.5, "ET": 1.65},
        uneven={**_EVEN, "NCR": 0.7, "ED": 0.5, "ET": 0.6, "CSF": 0.8, "GM": 0.38},
        deep=1.2,
        detail=0.0,
        vessels=0.0,
        blur_mm=(0.45, 0.45, 1.0),
        noise=0.18,
        noise_blur_mm=(0.55, 0.67, 1.25),
        bias=0.15,
    ),
}
"""Settings that give the measured figures when the sample itself is measured; they differ from
those because blurring mixes classes and every z-score depends on the whole brain."""


def make_patient(
    template_folder: Path, modalities: Collection[str] = tuple(CONTRASTS)
) -> tuple[dict[str, npt.NDArray[np.int16]], npt.NDArray[np.uint8]]:
    """Build the images and the labels.

    Args:
        template_folder: nilearn's folder `datasets/data`.
        modalities: Which images to make; each is the same whether or not the others are made.

    Returns:
        Modality to (240, 240, 155) int16, and (240, 240, 155) uint8 in BraTS 2021 numbers.
    """
    anatomy, tumor = _grow(template_folder)
    scene = compose_scene(anatomy, tumor, _generator(2))
    images = {}
    for number, (modality, contrast) in enumerate(CONTRASTS.items()):
        if modality in modalities:
            rng = _generator(10 + number)
            clean = render(scene, contrast, rng)
            images[modality] = _on_grid(scan(clean, scene.brain, contrast, SCALE, rng))
    return images, _on_grid(tumor.labels)


def write_patient(folder: Path, template_folder: Path) -> Iterator[Path]:
    """Write the five files into `folder`/NAME and name each."""
    images, labels = make_patient(template_folder)
    codes = SpatialCodes(sform=1, qform=1)
    for modality, image in images.items():
        path = folder / NAME / f"{NAME}_{modality}.nii.gz"
        write_volume(path, image, GRID, codes)
        yield path
    path = folder / NAME / f"{NAME}_seg.nii.gz"
    write_labels(path, LabelMap(labels, GRID, label_scheme("brats2021")), codes)
    yield path


def _grow(template_folder: Path) -> tuple[Anatomy, Tumor]:
    place = ras_mm(GRID, BRAIN_BOX)
    template = read_template(template_folder)
    anatomy = grow_person(template, PERSON, PUSH, place, _generator(0))
    return anatomy, grow_tumor(anatomy, PLAN, place, _generator(1))


def _generator(part: int) -> np.random.Generator:
    """Each part draws its own numbers, so that a change to one leaves the others alone."""
    return np.random.default_rng([SEED, part])


def _on_grid(block: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    whole = np.zeros(GRID.shape, dtype=block.dtype)
    whole[BRAIN_BOX.slices] = block
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Write the sample beside this script, or into the folder that was named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    beside = Path(__file__).resolve().parent / "brats-like"
    parser.add_argument("folder", type=Path, nargs="?", default=beside)
    options = parser.parse_args(arguments)
    templates = Path(str(files("nilearn.datasets"))) / "data"
    for path in write_patient(options.folder, templates):
        sys.stdout.write(f"{path} {path.stat().st_size / 1e6:.2f} MB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
