"""NIfTI as it comes, and what is said of other formats."""

from __future__ import annotations

import gzip
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.errors import NoOrientationError, OtherFormatError, UnreadableImageError
from latup_cli.imaging import nifti
from latup_cli.imaging.nifti_bytes import parts
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.labels import MODALITIES

WriteImages = Callable[[Path, Mapping[str, str]], Path]
Array = npt.NDArray[np.generic]

NAMES = {modality: f"p_{modality}.nii.gz" for modality in MODALITIES}
FLAIR = "p_flair.nii.gz"
TILTED = np.array([[-0.99, 0.14, 0, 20], [-0.14, -0.99, 0, 18], [0, 0, 1.0, -19], [0, 0, 0, 1]])


@pytest.fixture
def folder(tmp_path: Path, write_images: WriteImages) -> Path:
    """A good study."""
    return write_images(tmp_path / "study", NAMES)


def header(data: Array, *, sform: int, qform: int, big: bool = False) -> nib.Nifti1Image:
    """An image that lies as BraTS does."""
    made = nib.Nifti1Header(endianness=">" if big else "<")
    made.set_data_dtype(data.dtype.newbyteorder(">" if big else "<"))
    image = nib.Nifti1Image(data, None, made)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (20, 18, -19)
    image.set_sform(affine if sform else None, code=sform)
    image.set_qform(affine if qform else None, code=qform)
    return image


def put(path: Path, image: nib.Nifti1Image) -> None:
    """Write it as nibabel does."""
    nib.save(image, path)


def plain(path: Path, data: Array) -> None:
    put(path, header(data, sform=1, qform=1))


def big_endian(path: Path, data: Array) -> None:
    put(path, header(data.astype(np.int16), sform=1, qform=1, big=True))


def scaled(path: Path, data: Array) -> None:
    """Whole numbers with slope 0.25 and intercept -32, the background stored as 128."""
    stored = np.round(data.astype(np.float64)) * 4 + 128
    image = header(stored.astype(np.int16), sform=1, qform=1)
    image.header.set_slope_inter(0.25, -32.0)
    raw = bytearray(image.to_bytes())
    raw[352:] = stored.astype("<i2").tobytes(order="F")
    path.write_bytes(gzip.compress(bytes(raw)))


def doubles(path: Path, data: Array) -> None:
    plain(path, data.astype(np.float64))


def bytes_to_255(path: Path, data: Array) -> None:
    plain(path, (data / data.max() * 255).astype(np.uint8))


def nifti_2(path: Path, data: Array) -> None:
    image = header(data, sform=1, qform=1)
    nib.save(nib.Nifti2Image(data, image.affine), path)


def uncompressed(path: Path, data: Array) -> None:
    path.write_bytes(header(data, sform=1, qform=1).to_bytes())


def compressed(path: Path, data: Array) -> None:
    path.unlink()
    path.with_name("p_flair.nii").write_bytes(
        gzip.compress(header(data, sform=1, qform=1).to_bytes())
    )


def two_streams(path: Path, data: Array) -> None:
    raw = header(data, sform=1, qform=1).to_bytes()
    path.write_bytes(gzip.compress(raw[:5000]) + gzip.compress(raw[5000:]))


def with_extension(path: Path, data: Array) -> None:
    image = header(data, sform=1, qform=1)
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"x" * 900))
    put(path, image)


def sform_only(path: Path, data: Array) -> None:
    put(path, header(data, sform=2, qform=0))


def qform_only(path: Path, data: Array) -> None:
    put(path, header(data, sform=0, qform=1))


def pair(path: Path, data: Array) -> None:
    path.unlink()
    made = nib.Nifti1Pair(data, header(data, sform=1, qform=1).affine)
    nib.save(made, path.with_name("p_flair.img"))


def pair_2(path: Path, data: Array) -> None:
    path.unlink()
    made = nib.Nifti2Pair(data, header(data, sform=1, qform=1).affine)
    nib.save(made, path.with_name("p_flair.img"))


def zipped_pair(path: Path, data: Array) -> None:
    pair(path, data)
    for half in ("p_flair.hdr", "p_flair.img"):
        unzipped = path.with_name(half)
        path.with_name(f"{half}.gz").write_bytes(gzip.compress(unzipped.read_bytes()))
        unzipped.unlink()


def capital_pair(path: Path, data: Array) -> None:
    pair(path, data)
    for half in ("hdr", "img"):
        path.with_name(f"p_flair.{half}").rename(path.with_name(f"p_flair.{half.upper()}"))


KINDS = {
    kind.__name__: kind
    for kind in (
        plain, big_endian, scaled, doubles, bytes_to_255, nifti_2, uncompressed, compressed,
        two_streams, with_extension, sform_only, qform_only, pair, pair_2, zipped_pair,
        capital_pair,
    )
}  # fmt: skip
ROUNDED = {"big_endian": 1.0, "scaled": 0.5, "bytes_to_255": None}
"""How far values may be from the original; None where the scale is another."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_image(kind: str, folder: Path) -> None:
    """However one modality is stored, its values and its place are read without a warning."""
    expected = nifti.read(folder / FLAIR).volume
    KINDS[kind](folder / FLAIR, np.asarray(expected.data))
    study = load_study(find_study(folder))
    found = study.images["flair"]
    assert found.grid.matches(expected.grid, tolerance_mm=1e-3)
    assert not any("flair" in warning for warning in study.warnings if kind != "scaled")
    allowed = ROUNDED.get(kind, 0.0)
    if allowed is None:
        assert np.corrcoef(found.data.ravel(), expected.data.ravel())[0, 1] > 0.999
    else:
        np.testing.assert_allclose(found.data, expected.data, rtol=0, atol=allowed)


def test_an_intercept_is_part_of_the_values(tmp_path: Path, folder: Path) -> None:
    """The stored 128 of a background with slope 0.25 and intercept -32 is read as 0."""
    data = np.asarray(nifti.read(folder / FLAIR).volume.data)
    scaled(tmp_path / "x.nii.gz", data)
    found = nifti.read(tmp_path / "x.nii.gz").volume
    assert found.data[0, 0, 0] == 0
    np.testing.assert_array_equal(found.data, np.round(data))
    assert nib.load(tmp_path / "x.nii.gz").dataobj.get_unscaled()[0, 0, 0] == 128


def test_either_half_of_a_pair_may_be_named(folder: Path) -> None:
    """`.hdr` and `.img` are one image, known by its header."""
    pair(folder / FLAIR, np.asarray(nifti.read(folder / FLAIR).volume.data))
    paths = {modality: folder / NAMES[modality] for modality in MODALITIES}
    found = {}
    for half in ("hdr", "img"):
        files = study_from_files({**paths, "flair": folder / f"p_flair.{half}"})
        found[half] = load_study(files).images["flair"].data
        assert files.modalities["flair"].path == folder / "p_flair.hdr"
    np.testing.assert_array_equal(found["hdr"], found["img"])
    assert parts(folder / "p_flair.img") == (folder / "p_flair.hdr", folder / "p_flair.img")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "p_flair.img").unlink(), "the .img with its voxels is not there"),
        (
            lambda folder: (folder / "p_flair.img").write_bytes(
                (folder / "p_flair.img").read_bytes()[:-1]
            ),
            "cut short",
        ),
        (lambda folder: (folder / "p_flair.hdr").write_bytes(bytes(348)), "not a NIfTI file"),
    ],
    ids=["no img", "cut img", "ANALYZE"],
)
def test_half_a_pair_is_refused(spoil: Callable[[Path], object], said: str, folder: Path) -> None:
    """Without its voxels, or with a header that is not NIfTI, a pair cannot be read."""
    pair(folder / FLAIR, np.asarray(nifti.read(folder / FLAIR).volume.data))
    spoil(folder)
    with pytest.raises(UnreadableImageError, match=said) as caught:
        load_study(find_study(folder))
    assert str(caught.value).startswith("p_flair.hdr cannot be read")


def test_neither_form_is_refused(folder: Path) -> None:
    """Where both codes are 0, nothing says where the image lies."""
    data = np.asarray(nifti.read(folder / FLAIR).volume.data)
    put(folder / FLAIR, header(data, sform=0, qform=0))
    with pytest.raises(NoOrientationError):
        load_study(find_study(folder))


def test_where_the_forms_disagree_the_sform_counts(folder: Path) -> None:
    """The study lies where the sform says, and a warning says how far off the qform is."""
    before = load_study(find_study(folder)).grid
    for name in NAMES.values():
        image = nib.load(folder / name)
        image.set_qform(TILTED, code=1)
        data = np.asanyarray(image.dataobj)
        nib.save(nib.Nifti1Image(data, None, image.header), folder / name)
    study = load_study(find_study(folder))
    assert study.grid.matches(before)
    assert sum("mm apart; the sform is used" in warning for warning in study.warnings) == 4


def test_slightly_skewed_directions_pass(folder: Path) -> None:
    """Directions as registration tools round them are taken as they are."""
    skewed = TILTED.copy()
    skewed[0, 1] += 0.004
    assert Grid((2, 2, 2), skewed).is_orthogonal
    for name in NAMES.values():
        image = nib.Nifti1Image(np.asanyarray(nib.load(folder / name).dataobj), None)
        image.set_sform(skewed, code=1)
        nib.save(image, folder / name)
    study = load_study(find_study(folder))
    np.testing.assert_allclose(study.grid.ras_from_voxel, skewed, atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "form"), [(".nrrd", "NRRD"), (".mha", "MetaImage"), (".mhd", "MetaImage")]
)
def test_the_line_that_converts_works(suffix: str, form: str, folder: Path) -> None:
    """NRRD and MetaImage are refused with a line that makes them readable, place included."""
    expected = nifti.read(folder / FLAIR).volume
    sitk.WriteImage(sitk.ReadImage(folder / FLAIR), folder / f"p_flair{suffix}")
    (folder / FLAIR).unlink()
    with pytest.raises(OtherFormatError) as caught:
        find_study(folder)
    assert str(caught.value) == f"p_flair{suffix} is {form}, not NIfTI."
    assert caught.value.exit_code == 3
    command = shlex.split(caught.value.hint.removeprefix("Convert it: "))
    assert command[0] == "python"
    places = [folder / f"p_flair{suffix}", folder / FLAIR]
    subprocess.run([sys.executable, *command[1:-2], *places], check=True, capture_output=True)
    found = load_study(find_study(folder)).images["flair"]
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.grid.matches(expected.grid, tolerance_mm=1e-3)


def test_another_format_is_known_by_its_content(folder: Path) -> None:
    """A file that was only renamed to NIfTI, or named on the command line, is told what it is."""
    image = sitk.ReadImage(folder / FLAIR)
    for suffix, form in ((".nrrd", "NRRD"), (".mha", "MetaImage")):
        other = folder / f"x{suffix}"
        sitk.WriteImage(image, other)
        (folder / FLAIR).write_bytes(other.read_bytes())
        with pytest.raises(OtherFormatError, match=f"{FLAIR} is {form}"):
            load_study(find_study(folder))
    (folder / FLAIR).write_bytes(bytes(128) + b"DICM" + bytes(900))
    with pytest.raises(OtherFormatError, match="DICOM") as caught:
        load_study(find_study(folder))
    assert "dcm2niix" in caught.value.hint


def test_another_format_beside_nifti_does_not_disturb(folder: Path) -> None:
    """Slicer's copies and segmentations are no reason to refuse a complete study."""
    image = sitk.ReadImage(folder / FLAIR)
    for name in ("p_flair.nrrd", "Segmentation.seg.nrrd"):
        sitk.WriteImage(image, folder / name)
    files = find_study(folder)
    assert files.modalities["flair"].path == folder / FLAIR
    assert files.segmentation is None
