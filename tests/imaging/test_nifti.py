"""What is written to a NIfTI file: places, codes, label names, and the same bytes each time."""

from __future__ import annotations

import gzip
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap, Volume
from latup_cli.errors import ImageContentError, OutputError
from latup_cli.imaging import nifti
from latup_cli.labels import SCHEMES
from tests.properties.strategies import LAW, make_grid, tilt, volumes

SHAPE = (7, 5, 6)
GRID = make_grid(SHAPE, (0.9, 1.1, 3.0), tilt(11.0), (-71.5, 33.0, 8.25))
SCANNER = SpatialCodes(sform=1, qform=1)


def label_map(scheme: str = "brats2021") -> LabelMap:
    """Every label of a scheme, on an oblique anisotropic grid."""
    numbers = sorted(SCHEMES[scheme].values)
    voxels = np.random.default_rng(3).choice(numbers, SHAPE).astype(np.uint8)
    return LabelMap(voxels, GRID, SCHEMES[scheme])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A label map on the disk."""
    path = tmp_path / "seg.nii.gz"
    nifti.write_labels(path, label_map(), SCANNER)
    return path


def test_labels_come_back_as_they_were_written(written: Path) -> None:
    """Numbers, place and spatial codes survive the file."""
    back = nifti.read_labels(written)
    np.testing.assert_array_equal(back.data, label_map().data)
    assert back.grid.matches(GRID, tolerance_mm=1e-4)
    assert back.codes == SCANNER


@pytest.mark.parametrize("name", ["seg.nii.gz", "seg.nii"])
def test_the_same_labels_make_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Two runs write identical files, whatever their folders are called."""
    first, second = tmp_path / "one" / name, tmp_path / "another" / name
    nifti.write_labels(first, label_map(), SCANNER)
    nifti.write_labels(second, label_map(), SCANNER)
    assert first.read_bytes() == second.read_bytes()


def test_no_time_and_no_name_in_the_compressed_file(written: Path) -> None:
    """The gzip header holds neither when nor under which name it was written."""
    head = written.read_bytes()[:10]
    flags, modified = head[3], head[4:8]
    assert head[:2] == b"\x1f\x8b"
    assert flags == 0
    assert modified == bytes(4)


def test_another_reader_sees_the_labels(written: Path) -> None:
    """Plain nibabel finds unsigned bytes, no scaling, millimeters, and our affine."""
    image = nib.load(written)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_slope_inter() == (None, None)
    np.testing.assert_allclose(image.affine, GRID.ras_from_voxel, atol=1e-5)
    np.testing.assert_allclose(image.header.get_qform(), GRID.ras_from_voxel, atol=1e-3)


@pytest.mark.parametrize("codes", [SpatialCodes(1, 1), SpatialCodes(4, 1), SpatialCodes(2, 0)])
def test_spatial_codes_are_kept(tmp_path: Path, codes: SpatialCodes) -> None:
    """What the input called its place, the result calls it too."""
    nifti.write_labels(tmp_path / "seg.nii", label_map(), codes)
    header = nib.load(tmp_path / "seg.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (codes.sform, codes.qform)


def test_without_an_sform_the_qform_places_the_image(tmp_path: Path) -> None:
    """An input that only had a quaternion gives a result that other readers place alike."""
    nifti.write_labels(tmp_path / "seg.nii", label_map(), SpatialCodes(0, 1))
    assert nifti.read(tmp_path / "seg.nii").grid.matches(GRID, tolerance_mm=1e-2)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_label_names_travel_in_the_header(tmp_path: Path, scheme: str) -> None:
    """A text extension names the scheme and what each number means."""
    nifti.write_labels(tmp_path / "seg.nii.gz", label_map(scheme), SCANNER)
    (extension,) = nib.load(tmp_path / "seg.nii.gz").header.extensions
    note = json.loads(extension.get_content())
    assert extension.get_code() == 6
    assert note["label_scheme"] == scheme
    assert {int(n): name for n, name in note["labels"].items()} == dict(SCHEMES[scheme].names)


def test_a_damaged_byte_is_noticed_by_gzip(written: Path) -> None:
    """The checksum of the compressed file covers its content."""
    content = bytearray(written.read_bytes())
    content[-8] ^= 0xFF
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(bytes(content))


@given(volumes())
@LAW
def test_any_volume_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, volume: Volume
) -> None:
    """At any angle, spacing and place, voxels come back exactly and lie where they lay."""
    path = tmp_path_factory.mktemp("law") / "t1.nii"
    nifti.write_volume(path, volume.data, volume.grid, SCANNER)
    back = nifti.read(path).volume
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.grid.matches(volume.grid, tolerance_mm=1e-3)


def test_several_volumes_can_be_written(tmp_path: Path) -> None:
    """Probabilities of three regions go into one file with a fourth axis."""
    regions = np.random.default_rng(0).random((*SHAPE, 3)).astype(np.float32)
    nifti.write_volume(tmp_path / "p.nii.gz", regions, GRID, SCANNER)
    image = nib.load(tmp_path / "p.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(image.dataobj), regions)


@pytest.mark.parametrize("value", [0.5, -1.0, 300.0])
def test_an_image_is_no_label_map(tmp_path: Path, value: float) -> None:
    """Fractions, negative numbers and numbers above 255 are not labels."""
    image = np.zeros(SHAPE, dtype=np.float32)
    image[1, 2, 3] = value
    nifti.write_volume(tmp_path / "t1.nii", image, GRID, SCANNER)
    with pytest.raises(ImageContentError, match="label map"):
        nifti.read_labels(tmp_path / "t1.nii")


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    """Writing below a file fails with the exit code of outputs, and nothing else changes."""
    (tmp_path / "occupied").write_text("mine")
    with pytest.raises(OutputError) as caught:
        nifti.write_labels(tmp_path / "occupied" / "seg.nii.gz", label_map(), SCANNER)
    assert caught.value.exit_code == 10
    assert [p.name for p in tmp_path.iterdir()] == ["occupied"]


def test_left_stays_left(tmp_path: Path) -> None:
    """A mirrored grid keeps its handedness, so that left stays left."""
    mirrored = Grid(SHAPE, GRID.ras_from_voxel @ np.diag([-1.0, 1.0, 1.0, 1.0]))
    voxels = label_map().data
    labels = LabelMap(voxels, mirrored, SCHEMES["brats2021"])
    nifti.write_labels(tmp_path / "seg.nii", labels, SCANNER)
    image = nib.load(tmp_path / "seg.nii")
    np.testing.assert_allclose(image.header.get_qform(), mirrored.ras_from_voxel, atol=1e-3)
    assert np.linalg.det(image.affine) < 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float64, ">i2"])
@pytest.mark.parametrize(("slope", "shift"), [(0.0123, 0.0), (3.7, -11.25), (1.0, 0.5)])
def test_scaled_numbers_are_what_any_reader_sees(
    tmp_path: Path, dtype: npt.DTypeLike, slope: float, shift: float
) -> None:
    """Voxels behind a scale factor are the single-precision numbers that plain nibabel gives."""
    stored = np.random.default_rng(1).integers(0, 127, SHAPE).astype(dtype)
    path = tmp_path / "scaled.nii.gz"
    path.write_bytes(gzip.compress(_with_scale(stored, slope, shift)))
    theirs = np.asarray(nib.load(path).dataobj, dtype=np.float32)
    ours = nifti.read(path).data
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)


def test_files_can_be_read_in_threads(tmp_path: Path) -> None:
    """Several files at once give what they give one by one, and warnings stay as they were."""
    paths = [tmp_path / f"{number}.nii.gz" for number in range(8)]
    for number, path in enumerate(paths):
        data = np.full(SHAPE, number, dtype=np.int16)
        nifti.write_volume(path, data, GRID, SCANNER)
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(nifti.read, paths))
    assert [int(image.data.max()) for image in images] == list(range(8))
    assert list(warnings.filters) == before


def _with_scale(stored: npt.NDArray[np.generic], slope: float, shift: float) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(stored.dtype.newbyteorder("="))
    header.set_data_shape(stored.shape)
    header.set_sform(GRID.ras_from_voxel, 1)
    header["scl_slope"], header["scl_inter"] = slope, shift
    header["vox_offset"], header["magic"] = 352, b"n+1"
    if stored.dtype.byteorder == ">":
        header = header.as_byteswapped(">")
    return bytes(header.binaryblock) + bytes(4) + stored.tobytes(order="F")
