"""A DICOM Segmentation shows each tissue where it lies on the source series, and who is meant."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, FileMetaDataset, Sequence, dcmread, dcmwrite
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.report import ModelIdentity
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import OutputError, SegmentationSourceError, UnreadableImageError
from latup_cli.labels import SCHEMES, Tissue
from latup_cli.reporting.dicom_seg import SEGMENTS, write_dicom_seg
from tests.properties.strategies import AXIS_ORDERS, LAW, make_grid, tilt, world

SHAPE = (12, 10, 7)
SPACING_MM = (0.9, 1.1, 4.0)
MODEL = ModelIdentity("latup-test", "1.2.0", "ab" * 32)
PLANES = {
    # columns, rows and slices run to: RAS+
    "axial": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "sagittal": ((0, -1, 0), (0, 0, -1), (-1, 0, 0)),
    "coronal": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
Voxels: TypeAlias = set[tuple[int, int, int]]
Write: TypeAlias = Callable[[Grid], list[Path]]


def source_grid(plane: str, degrees: float = 0.0) -> Grid:
    """Axis i along a row, j along a column, k from slice to slice; the origin in the middle."""
    axes = tilt(degrees) @ np.array(PLANES[plane], dtype=float).T
    middle = (axes * SPACING_MM) @ ((np.array(SHAPE) - 1) / 2)
    return make_grid(SHAPE, SPACING_MM, axes, tuple((-middle).tolist()))


def left_lesion(grid: Grid) -> LabelMap:
    """Three tissues, all of them left of the middle."""
    index = np.indices(grid.shape).reshape(3, -1).T
    left = world(grid, index)[:, 0].reshape(grid.shape) < -0.5
    numbers = np.random.default_rng(3).choice([0, 1, 2, 4], grid.shape).astype(np.uint8)
    return LabelMap(np.where(left, numbers, 0).astype(np.uint8), grid, SCHEMES["brats2021"])


def turned(labels: LabelMap, codes: str) -> LabelMap:
    """The same label map stored in another axis order."""
    turn = reorientation(labels.grid, codes)
    return LabelMap(turn.apply(labels.data), turn.grid(labels.grid), labels.scheme)


@pytest.fixture
def classic(tmp_path: Path) -> Write:
    """A function that writes one file per slice, in an order that tells nothing."""

    def write(grid: Grid) -> list[Path]:
        common = patient()
        paths = []
        for k in range(grid.shape[2]):
            image = Dataset()
            image.update(common)
            image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, generate_uid()
            image.InstanceNumber = k + 1
            image.ImagePositionPatient = position(grid, k)
            image.ImageOrientationPatient = orientation(grid)
            image.PixelSpacing = [f"{grid.spacing_mm[axis]:.6g}" for axis in (1, 0)]
            image.SliceThickness = f"{grid.spacing_mm[2]:.6g}"
            paths.append(save(tmp_path / f"IM{k * 5 % 7}", image))
        return sorted(paths)

    return write


@pytest.fixture
def enhanced(tmp_path: Path) -> Write:
    """A function that writes all slices as frames of one file, the second half first."""

    def write(grid: Grid) -> list[Path]:
        image = patient()
        image.SOPClassUID, image.SOPInstanceUID = EnhancedMRImageStorage, generate_uid()
        image.InstanceNumber = 1
        slices = np.roll(np.arange(grid.shape[2]), 3).tolist()
        image.NumberOfFrames = len(slices)
        measures, turn, shared = Dataset(), Dataset(), Dataset()
        measures.PixelSpacing = [f"{grid.spacing_mm[axis]:.6g}" for axis in (1, 0)]
        measures.SliceThickness = f"{grid.spacing_mm[2]:.6g}"
        turn.ImageOrientationPatient = orientation(grid)
        shared.PixelMeasuresSequence = Sequence([measures])
        shared.PlaneOrientationSequence = Sequence([turn])
        image.SharedFunctionalGroupsSequence = Sequence([shared])
        frames = []
        for k in slices:
            place, frame = Dataset(), Dataset()
            place.ImagePositionPatient = position(grid, k)
            frame.PlanePositionSequence = Sequence([place])
            frames.append(frame)
        image.PerFrameFunctionalGroupsSequence = Sequence(frames)
        return [save(tmp_path / "enhanced", image)]

    return write


def patient() -> Dataset:
    """What all images of a series share, with more about people than a result may know."""
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 100"
    image.PatientName, image.PatientID = "Müller^Ärztin", "4711"
    image.PatientBirthDate, image.PatientSex = "19500102", "F"
    image.PatientAddress, image.PatientComments = "Hidden Street 7", "hidden remark"
    image.ReferringPhysicianName, image.OperatorsName = "Hidden^Doctor", "Hidden^Operator"
    image.InstitutionName, image.StationName = "Hidden Hospital", "HIDDEN7"
    image.DeviceSerialNumber = "hidden42"
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.FrameOfReferenceUID = generate_uid()
    image.StudyDate, image.StudyTime, image.StudyID = "20260102", "120000", "9"
    image.AccessionNumber = "A1"
    image.Modality, image.SeriesNumber, image.Manufacturer = "MR", 5, "Someone"
    image.Columns, image.Rows = SHAPE[:2]
    return image


def position(grid: Grid, k: int) -> list[str]:
    """Image Position (Patient) of a slice, with the digits that a decimal string has room for."""
    x, y, z = world(grid, (0, 0, k))
    return [f"{n:.8g}" for n in (-x, -y, z)]


def orientation(grid: Grid) -> list[str]:
    """Image Orientation (Patient)."""
    cosines = (grid.ras_from_voxel[:3, :2] / grid.spacing_mm[:2]).T * (-1, -1, 1)
    return [f"{n:.9g}" for n in cosines.ravel()]


def save(path: Path, image: Dataset) -> Path:
    """Write the header; nobody needs the pixels."""
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(path, image, enforce_file_format=True)
    return path


def written(path: Path, labels: LabelMap, sources: list[Path]) -> Dataset:
    """Write a segmentation and read it with pydicom alone."""
    write_dicom_seg(path, labels, sources, model=MODEL, software_version="0.1.0")
    return dcmread(path)


def places(found: Dataset, tissue: Tissue) -> npt.NDArray[np.float64]:
    """(n, 3) sorted RAS+ mm of a segment's voxels, from the file's own geometry."""
    pixels = np.atleast_3d(found.pixel_array).reshape(-1, found.Rows, found.Columns)
    shared = found.SharedFunctionalGroupsSequence[0]
    turn = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    spacing = [float(mm) for mm in shared.PixelMeasuresSequence[0].PixelSpacing]
    points = [np.zeros((0, 3))]
    for frame, image in zip(found.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == tissue:
            row, column = np.nonzero(image)
            start = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
            lps = start + np.outer(column * spacing[1], turn[:3])
            points.append((lps + np.outer(row * spacing[0], turn[3:])) * (-1, -1, 1))
    return in_order(np.concatenate(points))


def in_order(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points sorted by place, rounded so that noise does not decide."""
    return points[np.lexsort(points.round(2).T)]


def expected(labels: LabelMap, tissue: Tissue) -> npt.NDArray[np.float64]:
    """(n, 3) sorted RAS+ mm of a tissue's voxels."""
    return in_order(world(labels.grid, np.argwhere(labels.tissue(tissue).data)))


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_every_voxel_comes_back_where_it_was(
    tmp_path: Path, request: pytest.FixtureRequest, plane: str, kind: str
) -> None:
    """Segments hold the voxels of their tissue at their place, from either kind of source."""
    grid = source_grid(plane, 17.0)
    labels = left_lesion(grid)
    sources = request.getfixturevalue(kind)(grid)
    found = written(tmp_path / "seg.dcm", turned(labels, "RAS"), sources)
    for tissue in Tissue:
        np.testing.assert_allclose(places(found, tissue), expected(labels, tissue), atol=1e-3)
        assert len(places(found, tissue)) > 0


@LAW
@given(st.sampled_from(sorted(PLANES)), st.floats(-40, 40), st.sampled_from(AXIS_ORDERS))
def test_a_left_lesion_stays_left(
    tmp_path_factory: pytest.TempPathFactory, plane: str, degrees: float, codes: str
) -> None:
    """On axial, sagittal, coronal and oblique series, from every axis order."""
    folder = tmp_path_factory.mktemp("series")
    grid = source_grid(plane, degrees)
    labels = left_lesion(grid)
    sources = classic.__wrapped__(folder)(grid)  # type: ignore[attr-defined]
    found = written(folder / "seg.dcm", turned(labels, codes), sources)
    for tissue in Tissue:
        voxels = places(found, tissue)
        assert voxels[:, 0].max() < 0
        np.testing.assert_allclose(voxels, expected(labels, tissue), atol=1e-3)


def test_order_of_files_changes_nothing(tmp_path: Path, classic: Write) -> None:
    """Every slice is found by its position."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    orders = [sources, sources[::-1], sources[3:] + sources[:3]]
    files = [written(tmp_path / f"{n}.dcm", labels, order) for n, order in enumerate(orders)]
    for one, other in itertools.pairwise(files):
        np.testing.assert_array_equal(places(one, Tissue.ET), places(other, Tissue.ET))


def test_it_refers_to_its_source(tmp_path: Path, classic: Write) -> None:
    """Study and frame of reference are those of the source, whose images are named."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    first = dcmread(sources[0])
    found = written(tmp_path / "seg.dcm", labels, sources)
    assert found.StudyInstanceUID == first.StudyInstanceUID
    assert found.FrameOfReferenceUID == first.FrameOfReferenceUID
    series = found.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert named == {dcmread(file).SOPInstanceUID for file in sources}
    assert found.SeriesInstanceUID != first.SeriesInstanceUID


def test_segments_say_what_they_are_and_who_found_them(tmp_path: Path, classic: Write) -> None:
    """Codes, algorithm, region, color and tracking identifiers stand with each segment."""
    labels = left_lesion(source_grid("axial"))
    found = written(tmp_path / "seg.dcm", labels, classic(labels.grid))
    assert found.SegmentationType == "BINARY"
    kinds = [
        (item.CodingSchemeDesignator, item.CodeValue)
        for segment in found.SegmentSequence
        for item in segment.SegmentedPropertyTypeCodeSequence
    ]
    assert kinds == [("SCT", "6574001"), ("SCT", "79654002"), ("NCIt", "C113842")]
    for segment, (label, _) in zip(found.SegmentSequence, SEGMENTS.values(), strict=True):
        assert segment.SegmentLabel == label
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
            "latup latup-test",
            "1.2.0",
        )
        assert len(segment.RecommendedDisplayCIELabValue) == 3
    assert len({segment.TrackingUID for segment in found.SegmentSequence}) == 3


def test_label_schemes_give_the_same_segments(tmp_path: Path, classic: Write) -> None:
    """Enhancing tumor is segment 3 whether the label map calls it 3 or 4."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    other = labels.renumbered(SCHEMES["msd"])
    one, two = (
        written(tmp_path / f"{n}.dcm", given, sources) for n, given in enumerate((labels, other))
    )
    for tissue in Tissue:
        np.testing.assert_array_equal(places(one, tissue), places(two, tissue))


def test_no_tumor_is_still_a_valid_file(
    tmp_path: Path, classic: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Three segments are described and all planes are there, empty."""
    labels = left_lesion(source_grid("axial"))
    empty = LabelMap(np.zeros_like(labels.data), labels.grid, labels.scheme)
    found = written(tmp_path / "seg.dcm", empty, classic(labels.grid))
    assert len(found.SegmentSequence) == 3
    assert found.NumberOfFrames == 3 * SHAPE[2]
    assert not found.pixel_array.any()
    assert not caplog.records


def test_only_the_patient_is_copied(
    tmp_path: Path, classic: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Name and identifier are kept, umlauts too; physicians, address and hospital are not."""
    labels = left_lesion(source_grid("axial"))
    found = written(tmp_path / "seg.dcm", labels, classic(labels.grid))
    assert str(found.PatientName) == "Müller^Ärztin"
    assert (found.PatientID, found.PatientBirthDate, found.PatientSex) == ("4711", "19500102", "F")
    assert not found.ReferringPhysicianName
    assert not found.get("ContentCreatorName")
    assert b"idden" not in (tmp_path / "seg.dcm").read_bytes()
    assert "ller" not in caplog.text


def test_an_anonymous_source_will_do(
    tmp_path: Path, classic: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Patient and study may be missing, or hold what is no name and no sex."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    for file in sources:
        image = dcmread(file)
        image.PatientName, image.PatientSex = "removed", "U"
        for keyword in ("PatientBirthDate", "StudyDate", "StudyID", "AccessionNumber"):
            del image[keyword]
        save(file, image)
    found = written(tmp_path / "seg.dcm", labels, sources)
    assert (str(found.PatientName), found.PatientSex) == ("removed", "")
    assert not caplog.records


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("kind", ["classic", "enhanced", "empty"])
def test_dciodvfy_finds_no_error(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    """The file follows the standard, with a tumor and without one."""
    labels = left_lesion(source_grid("coronal", 10.0))
    write = request.getfixturevalue("enhanced" if kind == "enhanced" else "classic")
    if kind == "empty":
        labels = replace(labels, data=np.zeros_like(labels.data))
    written(tmp_path / "seg.dcm", labels, write(labels.grid))
    program = shutil.which("dciodvfy") or ""
    told = subprocess.run(
        [program, "-new", tmp_path / "seg.dcm"], capture_output=True, text=True, check=False
    )
    lines = (told.stdout + told.stderr).splitlines()
    assert [line for line in lines if "Error" in line] == []
    assert any("Segmentation" in line for line in lines)


def another_grid(grid: Grid) -> Grid:
    """Moved by 2 mm."""
    affine = grid.ras_from_voxel.copy()
    affine[:3, 3] += 2.0
    return Grid(grid.shape, affine)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (another_grid, "not the voxels"),
        (lambda grid: grid.respaced((1.8, 1.1, 4.0)), "not the voxels"),
        (lambda grid: Grid((12, 10, 8), grid.ras_from_voxel), "not the 8 slices"),
        (lambda grid: Grid((12, 11, 7), grid.ras_from_voxel), "not the voxels"),
    ],
)
def test_another_grid_is_refused(
    tmp_path: Path, classic: Write, spoil: Callable[[Grid], Grid], told: str
) -> None:
    """A label map that lies elsewhere gives one line and no file."""
    grid = source_grid("axial")
    other = left_lesion(spoil(grid))
    sources = classic(grid)
    with pytest.raises(SegmentationSourceError, match=told):
        written(tmp_path / "seg.dcm", other, sources)
    assert not (tmp_path / "seg.dcm").exists()


def test_a_shift_by_whole_voxels_is_refused(tmp_path: Path, classic: Write) -> None:
    """The first pixel must be the label map's corner."""
    grid = source_grid("axial")
    affine = grid.ras_from_voxel @ np.array(
        [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]
    )
    with pytest.raises(SegmentationSourceError, match="shifted"):
        written(tmp_path / "seg.dcm", left_lesion(Grid(SHAPE, affine)), classic(grid))


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("FrameOfReferenceUID", "frame of reference"),
        ("ImagePositionPatient", "where it lies"),
        ("PixelSpacing", "where it lies"),
        ("SeriesInstanceUID", "identifiers"),
    ],
)
def test_a_source_that_says_too_little_is_refused(
    tmp_path: Path, classic: Write, keyword: str, told: str
) -> None:
    """Without place or identifiers nothing can be referred to."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    image = dcmread(sources[2])
    del image[keyword]
    save(sources[2], image)
    with pytest.raises(SegmentationSourceError, match=told):
        written(tmp_path / "seg.dcm", labels, sources)


def test_repeated_missing_and_foreign_images_are_refused(tmp_path: Path, classic: Write) -> None:
    """Every slice must be there once, in one series."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    for given_files in ([*sources, sources[0]], sources[1:], []):
        with pytest.raises(SegmentationSourceError):
            written(tmp_path / "seg.dcm", labels, given_files)
    image = dcmread(sources[0])
    image.SeriesInstanceUID = generate_uid()
    save(sources[0], image)
    with pytest.raises(SegmentationSourceError, match="one series"):
        written(tmp_path / "seg.dcm", labels, sources)


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path, classic: Write) -> None:
    """A text file is no source, and a file is no folder to write to."""
    labels = left_lesion(source_grid("axial"))
    sources = classic(labels.grid)
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    with pytest.raises(UnreadableImageError, match=r"notes\.txt"):
        written(tmp_path / "seg.dcm", labels, [*sources, text])
    with pytest.raises(OutputError):
        written(text / "seg.dcm", labels, sources)
