"""The raw sample is what a scanner would send, and its truth is true."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEGLSLossless
from scipy import ndimage

from latup_cli.domain.grid import Grid
from latup_cli.imaging.nifti import read

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
NAME = "LATUP-SAMPLE-002"
STUDY = SAMPLE_DATA / "raw-like" / NAME
TRUTH = SAMPLE_DATA / "raw-like" / "truth"
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, dict[str, object]]]:
    """What the script says about its own work."""
    facts: dict[str, dict[str, dict[str, object]]] = json.loads((TRUTH / "truth.json").read_text())
    return facts


@pytest.fixture(scope="module")
def scans(truth: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, list[Dataset]]:
    """Modality to its images in the order of their names."""
    return {
        modality: [dcmread(file) for file in sorted((STUDY / facts["folder"]).iterdir())]
        for modality, facts in truth["series"].items()
    }


def grid_of(images: list[Dataset]) -> Grid:
    """Where a series lies: i along a row, j along a column, k along the files."""
    first, last = images[0], images[-1]
    cosines = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    corners = [np.array(image.ImagePositionPatient, float) for image in (first, last)]
    lps_from_voxel = np.eye(4)
    lps_from_voxel[:3, 0] = cosines[0] * float(first.PixelSpacing[1])
    lps_from_voxel[:3, 1] = cosines[1] * float(first.PixelSpacing[0])
    lps_from_voxel[:3, 2] = (corners[1] - corners[0]) / (len(images) - 1)
    lps_from_voxel[:3, 3] = corners[0]
    return Grid((first.Columns, first.Rows, len(images)), LPS_FROM_RAS @ lps_from_voxel)


def voxels_of(images: list[Dataset]) -> npt.NDArray[np.float64]:
    """(i, j, k)."""
    return np.stack([image.pixel_array.T for image in images], axis=2).astype(np.float64)


def test_it_is_small_and_compressed(scans: Mapping[str, list[Dataset]]) -> None:
    """The whole folder stays under 6 MB, in JPEG-LS that loses nothing."""
    files = [path for path in (SAMPLE_DATA / "raw-like").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    for images in scans.values():
        assert {image.file_meta.TransferSyntaxUID for image in images} == {JPEGLSLossless}


def test_committed_series_lie_where_the_script_puts_them(
    make_raw_like: ModuleType, scans: Mapping[str, list[Dataset]]
) -> None:
    """Geometry read from the files is that of the protocols, four different ones."""
    for modality, protocol in make_raw_like.PROTOCOLS.items():
        assert grid_of(scans[modality]).matches(protocol.geometry.grid)
    assert len({tuple(grid_of(images).spacing_mm) for images in scans.values()}) == 4


def test_tags_tell_the_modalities_apart(scans: Mapping[str, list[Dataset]]) -> None:
    """Contrast agent on the T1ce alone, inversion on T1 and FLAIR, long echoes on T2 and FLAIR."""
    tags = {modality: images[0] for modality, images in scans.items()}
    assert [modality for modality in tags if "ContrastBolusAgent" in tags[modality]] == ["t1ce"]
    echo = {modality: float(tags[modality].EchoTime) for modality in tags}
    assert max(echo["t1"], echo["t1ce"]) < 10
    assert min(echo["t2"], echo["flair"]) > 80
    assert float(tags["flair"].InversionTime) > 2000 > float(tags["t1"].InversionTime)
    assert "InversionTime" not in tags["t2"]


def test_a_localizer_lies_between(truth: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
    """Three planes in one series that says what it is."""
    used = {facts["folder"] for facts in truth["series"].values()}
    (folder,) = [path for path in STUDY.iterdir() if path.name not in used]
    images = [dcmread(file) for file in folder.iterdir()]
    assert {"LOCALIZER"} <= set(images[0].ImageType)
    assert len({tuple(image.ImageOrientationPatient) for image in images}) == 3
    assert 1 < images[0].SeriesNumber < 5


def test_it_is_one_study_of_nobody(scans: Mapping[str, list[Dataset]]) -> None:
    """One study, one frame of reference, no person, and no identifier twice."""
    images = [image for series in scans.values() for image in series]
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert len({image[keyword].value for image in images}) == 1
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    assert {str(image.PatientName) for image in images} == {"Synthetic^Phantom"}
    assert {image.PatientIdentityRemoved for image in images} == {"YES"}
    assert not any(image.PatientBirthDate or image.get("OperatorsName") for image in images)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error() -> None:
    """One image of each series, localizer included, follows the standard."""
    for folder in STUDY.iterdir():
        told = subprocess.run(
            [shutil.which("dciodvfy") or "", "-new", folder / "IM000003"],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (told.stdout + told.stderr).splitlines()
        assert "MRImage" in lines
        assert [line for line in lines if "Error" in line] == []


def test_labels_and_brain_lie_on_the_t1ce(scans: Mapping[str, list[Dataset]]) -> None:
    """The truth is on the native grid; the tumor is on the left and enhances."""
    seg, brain = (read(TRUTH / f"{NAME}_{part}.nii.gz") for part in ("seg", "brain"))
    assert seg.grid.matches(grid_of(scans["t1ce"]), tolerance_mm=0.05)
    assert brain.grid.matches(seg.grid)
    assert set(np.unique(seg.data).tolist()) == {0, 1, 2, 4}
    tumor = np.argwhere(seg.data > 0)
    affine = seg.grid.ras_from_voxel
    assert (tumor @ affine[:3, :3].T + affine[:3, 3])[:, 0].max() < 0
    t1ce = voxels_of(scans["t1ce"])
    assert np.median(t1ce[seg.data == 4]) > 1.4 * np.median(t1ce[brain.data > 0])
    assert 1200 < np.count_nonzero(brain.data) * brain.grid.voxel_ml < 1800


def test_the_head_moved_as_the_truth_says(
    scans: Mapping[str, list[Dataset]], truth: Mapping[str, Mapping[str, Mapping[str, object]]]
) -> None:
    """Undoing the motion brings the skull-less head of each series closest to the T1ce's brain."""
    brain = read(TRUTH / f"{NAME}_brain.nii.gz")
    rim = ndimage.binary_dilation(brain.data > 0, iterations=2) & (brain.data == 0)
    edge = np.argwhere(rim)[::37]
    inside = np.argwhere(ndimage.binary_erosion(brain.data > 0, iterations=4))[::211]
    for modality in ("t1", "flair"):
        scan, grid = voxels_of(scans[modality]), grid_of(scans[modality])
        moved = np.array(truth["series"][modality]["series_from_t1ce"], dtype=float)
        undone, ignored = (
            contrast(
                scan,
                np.linalg.inv(grid.ras_from_voxel) @ motion @ brain.grid.ras_from_voxel,
                edge,
                inside,
            )
            for motion in (moved, np.eye(4))
        )
        assert undone > ignored


def contrast(
    scan: npt.NDArray[np.float64],
    voxel_from_t1ce: npt.NDArray[np.float64],
    edge: npt.NDArray[np.int_],
    inside: npt.NDArray[np.int_],
) -> float:
    """How much brighter a series is inside the brain than just around it."""
    levels = []
    for points in (inside, edge):
        at = voxel_from_t1ce[:3, :3] @ points.T + voxel_from_t1ce[:3, 3:]
        levels.append(ndimage.map_coordinates(scan, at, order=1).mean())
    return float(levels[0] - levels[1])


def test_the_same_slices_give_the_same_bytes(make_raw_like: ModuleType, tmp_path: Path) -> None:
    """Nothing of the clock, the folder or chance is in a file."""
    geometry = make_raw_like.Geometry("sagittal", (3.0, 0.0, 1.0), 20, 16, 3, 2.0, 4.0, 4.0)
    data = np.random.default_rng(0).integers(0, 900, geometry.grid.shape).astype(np.uint16)
    study, series = make_raw_like.STUDY, make_raw_like.PROTOCOLS["t1"].series
    folders = [tmp_path / name for name in ("one", "other")]
    first, second = (
        [
            path.read_bytes()
            for path in make_raw_like.write_series(folder, study, series, [(data, geometry.grid)])
        ]
        for folder in folders
    )
    assert first == second
    images = [dcmread(path) for path in sorted(folders[0].iterdir())]
    assert grid_of(images).matches(geometry.grid)
    np.testing.assert_array_equal(voxels_of(images), data)


def test_a_scan_shows_what_is_there(make_raw_like: ModuleType) -> None:
    """A head that is brighter the further left, seen in tilted slices after a known motion."""
    affine = np.eye(4)
    affine[:3, 3] = -30.0
    head_grid = Grid((61, 61, 61), affine)
    ramp = np.broadcast_to(100.0 - np.arange(61.0)[:, None, None], (61, 61, 61))
    geometry = make_raw_like.Geometry("coronal", (5.0, -8.0, 3.0), 9, 8, 5, 3.0, 5.0, 5.0)
    motion = make_raw_like.Motion((4.0, 2.0, -6.0), (1.0, -2.0, 3.0))
    seen = make_raw_like.acquire(ramp, head_grid, geometry, motion, order=1)
    index = np.indices(seen.shape).reshape(3, -1)
    grid = geometry.grid
    scanner = grid.ras_from_voxel[:3, :3] @ index + grid.ras_from_voxel[:3, 3:]
    still = np.linalg.inv(motion.moved_from_still)
    x = (still[:3, :3] @ scanner + still[:3, 3:])[0]
    np.testing.assert_allclose(seen.ravel(), 70.0 - x, atol=1e-6)
