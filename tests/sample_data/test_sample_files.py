"""The committed sample patient is what a BraTS 2021 subject is."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.orientation import axis_codes
from latup_cli.imaging.nifti import NiftiImage
from latup_cli.labels import MODALITIES

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
PATIENT = SAMPLE_DATA / "brats-like" / "LATUP-SAMPLE-001"
NCR, ED, ET = 1, 2, 4

Patient = dict[str, NiftiImage]


def _brain(patient: Patient) -> npt.NDArray[np.bool_]:
    return np.asarray(patient["t1"].data != 0)


def _labels(patient: Patient) -> npt.NDArray[np.uint8]:
    return patient["seg"].data.astype(np.uint8)


def _z(patient: Patient, modality: str) -> npt.NDArray[np.float64]:
    data, brain = patient[modality].data.astype(np.float64), _brain(patient)
    return np.asarray((data - data[brain].mean()) / data[brain].std())


def _components(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Voxels of each connected part, largest first."""
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    counts = np.bincount(sitk.GetArrayFromImage(image).ravel())[1:]
    return sorted(counts.tolist(), reverse=True)


def test_folder_holds_the_five_files_and_nothing_else() -> None:
    """Names follow BraTS 2021, with the known answer beside the images."""
    expected = {f"LATUP-SAMPLE-001_{suffix}.nii.gz" for suffix in (*MODALITIES, "seg")}
    assert {path.name for path in PATIENT.iterdir()} == expected


def test_folder_is_small() -> None:
    """The sample travels in the wheel and takes less than 10 MB."""
    assert sum(path.stat().st_size for path in PATIENT.iterdir()) < 10_000_000


@pytest.mark.parametrize("suffix", [*MODALITIES, "seg"])
def test_geometry_is_that_of_brats(patient: Patient, suffix: str) -> None:
    """Every file has 240 x 240 x 155 voxels of 1 mm, stored LPS from (0, 239, 0)."""
    grid = patient[suffix].grid
    expected = [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert grid.shape == (240, 240, 155)
    assert axis_codes(grid) == "LPS"
    np.testing.assert_array_equal(grid.ras_from_voxel, expected)


@pytest.mark.parametrize("suffix", [*MODALITIES, "seg"])
def test_compressed_stream_names_no_file_and_no_time(suffix: str) -> None:
    """Nothing in a file tells when or from what path it was made."""
    header = (PATIENT / f"LATUP-SAMPLE-001_{suffix}.nii.gz").read_bytes()[:10]
    assert header[:2] == b"\x1f\x8b"
    assert header[3] & 0b1000 == 0  # no file name follows
    assert header[4:8] == b"\x00\x00\x00\x00"  # no modification time


def test_images_are_whole_numbers_stored_as_brats_does(patient: Patient) -> None:
    """Images are int16 without a scale factor, labels uint8."""
    raw = gzip.decompress((PATIENT / "LATUP-SAMPLE-001_t1.nii.gz").read_bytes())
    slope = np.frombuffer(raw[112:116], "<f4")[0]
    assert np.isnan(slope) or slope in (0.0, 1.0)
    assert [patient[m].data.dtype for m in MODALITIES] == [np.dtype(np.int16)] * 4
    assert patient["seg"].data.dtype == np.uint8


def test_background_is_exactly_zero_in_every_modality(patient: Patient) -> None:
    """The images are skull-stripped with one brain mask, and nothing is negative."""
    brain = _brain(patient)
    for modality in MODALITIES:
        np.testing.assert_array_equal(patient[modality].data != 0, brain)
        assert patient[modality].data.min() == 0


def test_brain_is_one_piece_of_plausible_size_off_the_border(patient: Patient) -> None:
    """The brain is connected, of 1.2 to 1.8 liters, and ends before the sides of the field."""
    brain = _brain(patient)
    assert len(_components(brain)) == 1
    assert 1_200_000 < brain.sum() < 1_800_000
    assert not brain[[0, -1]].any()
    assert not brain[:, [0, -1]].any()
    assert not brain[:, :, -1].any()


def test_labels_are_those_of_the_scheme_and_inside_the_brain(patient: Patient) -> None:
    """The answer uses 1, 2 and 4, each of them, and only where there is brain."""
    labels = _labels(patient)
    assert set(np.unique(labels).tolist()) == {0, NCR, ED, ET}
    assert not labels[~_brain(patient)].any()


def test_tumor_volumes_are_typical(patient: Patient) -> None:
    """Whole tumor 60 to 110 mL, with at least 5 mL of each tissue."""
    labels = _labels(patient)
    assert 60_000 <= np.count_nonzero(labels) <= 110_000
    assert all(np.count_nonzero(labels == label) > 5_000 for label in (NCR, ED, ET))


def test_regions_are_nested_as_in_a_glioblastoma(patient: Patient) -> None:
    """One tumor: edema around a core, and necrosis that touches neither brain nor background."""
    labels = _labels(patient)
    assert len(_components(labels > 0)) == 1
    assert len(_components((labels == NCR) | (labels == ET))) == 1
    faces = [
        (np.take(labels, range(1, n), axis), np.take(labels, range(n - 1), axis))
        for axis, n in enumerate(labels.shape)
    ]
    pairs = [*faces, *[(b, a) for a, b in faces]]
    beside = np.concatenate([b[a == NCR] for a, b in pairs])
    assert np.mean(np.isin(beside, (NCR, ET))) > 0.9
    assert np.mean(beside == 0) < 0.02


def test_tumor_is_no_ball(patient: Patient) -> None:
    """The tumor's surface is much larger than that of a ball of its volume."""
    whole = _labels(patient) > 0
    surface = sum(np.count_nonzero(np.diff(whole, axis=axis)) for axis in range(3))
    ball = 1.5 * np.pi ** (1 / 3) * (6 * whole.sum()) ** (2 / 3)  # counted in voxel faces
    assert surface > 1.4 * ball


def test_tumor_looks_as_such_tumors_do(patient: Patient) -> None:
    """Rim bright and core dark on T1ce; edema bright on FLAIR and T2, and not bright on T1."""
    labels, brain = _labels(patient), _brain(patient)
    healthy = brain & (labels == 0)
    level = {
        (m, label): np.median(_z(patient, m)[where])
        for m in MODALITIES
        for label, where in [(0, healthy), *[(n, labels == n) for n in (NCR, ED, ET)]]
    }
    assert level["t1ce", ET] > level["t1ce", 0] + 1.0
    assert level["t1ce", NCR] < level["t1ce", ET] - 1.5
    assert level["t1", NCR] < level["t1", 0]
    assert all(level["flair", label] > level["flair", 0] + 1.0 for label in (NCR, ED, ET))
    assert all(level["t2", label] > level["t2", 0] + 0.5 for label in (NCR, ED, ET))


def test_notice_carries_the_copyright_of_the_anatomy() -> None:
    """Who redistributes the sample finds the template's notice and permission beside it."""
    notice = " ".join((SAMPLE_DATA / "NOTICE.md").read_text(encoding="utf-8").split())
    assert "Louis Collins, McConnell Brain Imaging Centre" in notice
    assert "provided that the above > copyright notice appear in all copies" in notice
