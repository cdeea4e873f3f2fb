"""Scans as they come, from DICOM to a mask on the T1ce: the raw sample, whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from latup_cli.config import PreparationSettings, SegmentSettings, Space
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import CheckRefusedError
from latup_cli.imaging import nifti
from latup_cli.labels import SCHEMES
from latup_cli.workflows.results import Segmented
from latup_cli.workflows.segment import segment_study
from tests.fixtures.models import on_cpu

ROOT = Path(__file__).resolve().parents[2] / "sample_data" / "raw-like"
STUDY = "LATUP-SAMPLE-002"


@pytest.fixture(scope="module")
def settings(model: Path) -> SegmentSettings:
    """Everything that a raw study can be asked for, with every check in force."""
    return replace(
        on_cpu(model),
        preparation=PreparationSettings(),
        space=Space.BOTH,
        preview=True,
        keep_intermediates=True,
        dicom_seg=True,
    )


@pytest.fixture(scope="module")
def done(settings: SegmentSettings, tmp_path_factory: pytest.TempPathFactory) -> Segmented:
    """One run for all."""
    return segment_study(ROOT / STUDY, tmp_path_factory.mktemp("raw"), settings)


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """Where the patient lay in each series."""
    known: dict[str, Any] = json.loads((ROOT / "truth" / "truth.json").read_text("utf-8"))
    return known


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|)."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def labels_of(path: Path) -> LabelMap:
    """A mask that was written."""
    image = nifti.read_labels(path)
    return LabelMap(image.data.astype(np.uint8), image.grid, SCHEMES["brats2021"])


def test_every_file_that_was_asked_for_is_there(done: Segmented) -> None:
    """Masks on both grids, reports, pictures, a DICOM Segmentation, and the aligned images."""
    aligned = [f"aligned_{modality}.nii.gz" for modality in ("flair", "t1", "t1ce", "t2")]
    others = ["brain.nii.gz", "preview.png", "registration.png", "report.csv", "report.json"]
    masks = ["seg.dcm", "seg.nii.gz", "space-model_seg.nii.gz"]
    expected = sorted(f"{STUDY}_{ending}" for ending in (*aligned, *others, *masks))
    assert [path.name for path in done.files] == expected


def test_the_mask_lies_on_the_t1ce_as_it_came(done: Segmented) -> None:
    """Shape and affine are those of the source series, thick slices and tilt included."""
    known = nifti.read(ROOT / "truth" / f"{STUDY}_seg.nii.gz").grid
    assert labels_of(done.mask).grid.matches(known)
    assert labels_of(done.mask.with_name(f"{STUDY}_space-model_seg.nii.gz")).grid.spacing_mm == (
        pytest.approx((1.0, 1.0, 1.0))
    )


def test_the_motions_are_found(done: Segmented, truth: dict[str, Any]) -> None:
    """Each series is brought back to within a millimeter of where it was, all over the brain."""
    brain = nifti.read(ROOT / "truth" / f"{STUDY}_brain.nii.gz")
    voxels = np.argwhere(brain.data > 0)[::97]
    matrix = brain.grid.ras_from_voxel
    places = np.c_[voxels @ matrix[:3, :3].T + matrix[:3, 3], np.ones(len(voxels))]
    found = {s.settings["modality"]: s.settings for s in done.report.steps if s.name == "register"}
    assert set(found) == {"t1", "t2", "flair"}
    for modality, facts in found.items():
        true = np.array(truth["series"][str(modality)]["series_from_t1ce"])
        off = places @ (np.array(facts["moving_from_fixed"]) - true).T
        assert float(np.linalg.norm(off[:, :3], axis=1).mean()) < 1.0, modality


def test_the_brain_is_found(done: Segmented) -> None:
    """Dice of at least 0.95 with the true brain on the grid of the T1ce."""
    known = nifti.read(ROOT / "truth" / f"{STUDY}_brain.nii.gz")
    choice = next(step for step in done.report.steps if step.name == "brain choice")
    assert choice.settings["modality"] == "t1ce"
    found = nifti.read(done.mask.with_name(f"{STUDY}_brain.nii.gz"))
    inside = np.argwhere(known.data > 0)[::31] @ known.grid.ras_from_voxel[:3, :3].T
    inside = inside + known.grid.ras_from_voxel[:3, 3]
    voxel_from_ras = np.linalg.inv(found.grid.ras_from_voxel)
    there = np.rint(inside @ voxel_from_ras[:3, :3].T + voxel_from_ras[:3, 3]).astype(int)
    assert float((found.data[tuple(there.T)] > 0).mean()) > 0.95
    assert float((found.data > 0).sum()) * found.grid.voxel_ml == pytest.approx(
        float((known.data > 0).sum()) * known.grid.voxel_ml, rel=0.05
    )


def test_the_tumor_is_where_it_is(done: Segmented) -> None:
    """What the hand-made model calls tumor lies in the left hemisphere, over the true tumor."""
    found, known = labels_of(done.mask), nifti.read(ROOT / "truth" / f"{STUDY}_seg.nii.gz")
    tumor = found.region("WT").data
    assert dice(tumor, np.asarray(known.data > 0)) > 0.5
    voxels = np.argwhere(tumor).mean(axis=0)
    matrix = found.grid.ras_from_voxel
    assert (matrix[:3, :3] @ voxels + matrix[:3, 3])[0] < 0.0


def test_both_grids_tell_the_same_volume(done: Segmented) -> None:
    """Volumes are measured where the network looked, and reported for the T1ce too."""
    report = done.report
    assert report.native_volumes is not None
    assert report.aligned_grid is not None
    native, aligned = report.native_volumes["WT"], report.volumes["WT"]
    assert native.volume_ml == pytest.approx(aligned.volume_ml, rel=0.1)
    written = labels_of(done.mask).region("WT")
    assert written.volume_ml == pytest.approx(native.volume_ml)


def test_the_dicom_segmentation_says_the_same(done: Segmented) -> None:
    """Each segment has as many voxels as its label in the NIfTI mask."""
    dataset = pydicom.dcmread(done.mask.with_name(f"{STUDY}_seg.dcm"))
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    owners = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    labels = labels_of(done.mask)
    numbers = sorted(labels.scheme.numbers.values())
    for segment, number in enumerate(numbers, start=1):
        voxels = sum(int(f.sum()) for f, o in zip(frames, owners, strict=True) if o == segment)
        assert voxels == int((labels.data == number).sum())


def test_nothing_was_found_odd_enough_to_refuse(done: Segmented) -> None:
    """The report holds every number that was measured, each with its limits and a verdict."""
    checks = {finding.check for finding in done.report.quality}
    assert {"brain volume", "mutual information", "slice thickness"} <= checks
    assert {finding.verdict.value for finding in done.report.quality} <= {"ok", "warning"}


def test_swapped_channels_are_refused(settings: SegmentSettings, tmp_path: Path) -> None:
    """T2 and FLAIR under each other's names are refused by name, and nothing is written."""
    folders = {"t1": "SE000000", "t1ce": "SE000004", "t2": "SE000003", "flair": "SE000002"}
    named = {modality: ROOT / STUDY / folder for modality, folder in folders.items()}
    with pytest.raises(CheckRefusedError, match=r"(?i)t2.*flair|flair.*t2"):
        segment_study(None, tmp_path / "out", settings, named=named, name="swapped")
    assert not (tmp_path / "out").exists()
