"""Make the raw sample: a synthetic MR study with skull, in DICOM, as it comes from a scanner.

    python sample_data/make_raw_like.py [FOLDER]

Writes FOLDER/LATUP-SAMPLE-002/ (four series and a localizer, compressed, in files without ending)
and FOLDER/truth/: the labels and the brain on the grid of the T1ce, and what moved. The brain is
grown like that of make_brats_like.py, the tumor in the other half; skull, scalp and face are drawn
around it. No voxel of a patient is in it. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from make_brats_like import CONTRASTS, PERSON
from phantom.acquisition import Geometry, Motion, acquire, digitize
from phantom.anatomy import MassEffect, grow_person, ras_mm, read_template
from phantom.appearance import Scene, compose_scene, render
from phantom.dicom_series import write_series
from phantom.fields import Array, Bools
from phantom.head import Kinds, build_head, put_brain, shine
from phantom.protocols import LOCALIZER, NAME, PROTOCOLS, STUDY, Protocol
from phantom.tumor import Lobe, TumorPlan, grow_tumor

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap, Mask
from latup_cli.imaging.nifti import write_labels, write_volume
from latup_cli.labels import label_scheme

SEED = 20212

_ISOCENTER_MM = (-120.0, 112.0, 70.0)  # in SRI24 space, about the middle of the brain
_CORNER_MM = (-224.0, -8.0, -78.0)  # of the head, in SRI24 space
_SHAPE = (208, 252, 252)
BRAIN_BOX = Box((26, 22, 70), (184, 216, 230))
"""Part of the head's grid that the brain lies in."""


def _grid_from(corner_mm: npt.ArrayLike) -> Grid:
    affine = np.eye(4)
    affine[:3, 3] = corner_mm
    return Grid(_SHAPE, affine)


SRI = _grid_from(_CORNER_MM)
"""The head in SRI24 space, 1 mm, stored RAS."""

HEAD = _grid_from(np.subtract(_CORNER_MM, _ISOCENTER_MM))
"""The same voxels in the scanner."""

PLAN = TumorPlan(
    lobes=(
        Lobe((-152.0, 132.0, 92.0), (16.0, 18.5, 14.5), -30.0),
        Lobe((-146.0, 117.0, 99.0), (10.0, 12.0, 9.0), 0.0),
    ),
    ragged=0.16,
    rim_mm=3.5,
    rim_spread_mm=1.3,
    gaps=0.06,
    strands=0.08,
    edema_ml=38.0,
    edema_fade_mm=10.0,
)

PUSH = MassEffect((-150.0, 128.0, 94.0), strength=0.28, reach_mm=30.0)


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """A head and the tumor in it, on the grid `HEAD`.

    Attributes:
        scene: The brain's tissues in `BRAIN_BOX`.
        kinds: What lies around the brain.
        labels: (i, j, k) uint8, BraTS 2021 numbers.
        brain: (i, j, k) bool.
    """

    scene: Scene
    kinds: Kinds
    labels: npt.NDArray[np.uint8]
    brain: Bools


def make_head(template_folder: Path) -> Patient:
    """Grow the patient; the template lies in nilearn's folder `datasets/data`."""
    place = ras_mm(SRI, BRAIN_BOX)
    whole = replace(PERSON, shaved_mm=0.0)
    anatomy = grow_person(read_template(template_folder), whole, PUSH, place, _generator(0))
    tumor = grow_tumor(anatomy, PLAN, place, _generator(1))
    scene = compose_scene(anatomy, tumor, _generator(2))
    kinds = build_head(anatomy.brain, BRAIN_BOX, _mni_mm(), _generator(3))
    return Patient(scene, kinds, _placed(tumor.labels), _placed(anatomy.brain))


def signal(patient: Patient, modality: str) -> Array:
    """The whole head on one modality before the scanner samples it, (i, j, k) on `HEAD`."""
    rng = _generator(10 + list(PROTOCOLS).index(modality))
    protocol = PROTOCOLS[modality]
    z = render(patient.scene, CONTRASTS[modality], rng)
    inside = z[patient.scene.brain]
    z = (z - inside.mean()) / inside.std()
    brain = np.maximum(protocol.mean + protocol.deviation * z, 0.0)
    around = shine(patient.kinds, protocol.surroundings, rng)
    return put_brain(around, brain, patient.scene.brain, BRAIN_BOX)


def write_sample(folder: Path, template_folder: Path) -> Iterator[Path]:
    """Write the study and the truth below `folder`, and name each folder or file."""
    patient = make_head(template_folder)
    for modality, protocol in PROTOCOLS.items():
        head = signal(patient, modality)
        place = folder / NAME / f"SE{protocol.series.number - 1:06d}"
        block = _scanned(head, protocol, _generator(20 + protocol.series.number))
        write_series(place, STUDY, protocol.series, [block])
        yield place
        if modality == "t1":
            place = folder / NAME / f"SE{LOCALIZER.number - 1:06d}"
            write_series(place, STUDY, LOCALIZER, _localizer(head, _generator(30)))
            yield place
    yield from write_truth(folder / "truth", patient)


def write_truth(folder: Path, patient: Patient) -> Iterator[Path]:
    """Write labels and brain on the grid of the T1ce, and how the head moved."""
    grid = PROTOCOLS["t1ce"].geometry.grid
    codes = SpatialCodes(sform=1, qform=1)
    labels = LabelMap(labels_on_t1ce(patient.labels), grid, label_scheme("brats2021"))
    write_labels(folder / f"{NAME}_seg.nii.gz", labels, codes)
    yield folder / f"{NAME}_seg.nii.gz"
    brain = Mask(_share_on_t1ce(patient.brain) >= 0.5, grid)
    write_volume(folder / f"{NAME}_brain.nii.gz", brain.data.astype(np.int16), grid, codes)
    yield folder / f"{NAME}_brain.nii.gz"
    facts = {
        "study": NAME,
        "coordinates": "RAS+ mm in the scanner; a point of the head at rest to where it lay",
        "brain_ml": round(brain.volume_ml, 1),
        "tumor_ml": {name: round(labels.region(name).volume_ml, 2) for name in ("WT", "TC", "ET")},
        "series": {modality: _series_facts(protocol) for modality, protocol in PROTOCOLS.items()},
    }
    (folder / "truth.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    yield folder / "truth.json"


def labels_on_t1ce(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """In each voxel of the T1ce the label, or background, that fills most of it."""
    values = np.array([0, *sorted(set(np.unique(labels).tolist()) - {0})], dtype=np.uint8)
    shares = [_share_on_t1ce(labels == value) for value in values]
    return values[np.argmax(shares, axis=0)]


def _share_on_t1ce(mask: Bools) -> Array:
    geometry = PROTOCOLS["t1ce"].geometry
    padded = mask.astype(np.float64)
    return acquire(padded, HEAD, geometry, Motion(), order=1)


def _scanned(
    head: Array, protocol: Protocol, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint16], Grid]:
    grid = protocol.geometry.grid
    seen = acquire(head, HEAD, protocol.geometry, protocol.motion)
    return digitize(seen, grid, protocol.noise, rng), grid


def _localizer(head: Array, rng: np.random.Generator) -> list[tuple[npt.NDArray[np.uint16], Grid]]:
    """Three slices each in three planes, quick and coarse."""
    blocks = []
    for plane in ("axial", "coronal", "sagittal"):
        geometry = Geometry(plane, (0.0, 0.0, 0.0), 128, 128, 3, 2.0, 20.0, 8.0)
        seen = acquire(head, HEAD, geometry, PROTOCOLS["t1"].motion, order=1)
        blocks.append((digitize(seen, geometry.grid, 6.0, rng), geometry.grid))
    return blocks


def _series_facts(protocol: Protocol) -> dict[str, object]:
    grid, motion = protocol.geometry.grid, protocol.motion
    return {
        "folder": f"SE{protocol.series.number - 1:06d}",
        "description": protocol.series.description,
        "voxels": list(grid.shape),
        "spacing_mm": [round(mm, 6) for mm in grid.spacing_mm],
        "turned_deg": list(motion.degrees),
        "moved_mm": list(motion.mm),
        "series_from_t1ce": motion.moved_from_still.round(9).tolist(),
    }


def _mni_mm() -> Array:
    """(3, i, j, k) of every voxel of the head in MNI space, without the individual's warp."""
    affine = np.array(PERSON.mni_from_sri)
    place = ras_mm(SRI, Box((0, 0, 0), _SHAPE))
    return np.asarray(
        np.einsum("ab,bijk->aijk", affine[:, :3], place) + affine[:, 3, None, None, None]
    )


def _placed(block: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    whole = np.zeros(_SHAPE, dtype=block.dtype)
    whole[BRAIN_BOX.slices] = block
    return whole


def _generator(part: int) -> np.random.Generator:
    """Each part draws its own numbers, so that a change to one leaves the others alone."""
    return np.random.default_rng([SEED, part])


def main(arguments: list[str] | None = None) -> int:
    """Write the sample beside this script, or into the folder that was named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    beside = Path(__file__).resolve().parent / "raw-like"
    parser.add_argument("folder", type=Path, nargs="?", default=beside)
    options = parser.parse_args(arguments)
    templates = Path(str(files("nilearn.datasets"))) / "data"
    for path in write_sample(options.folder, templates):
        found = [file for file in (path, *path.rglob("*")) if file.is_file()]
        size = sum(file.stat().st_size for file in found) / 1e6
        sys.stdout.write(f"{path} {len(found)} files, {size:.2f} MB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
