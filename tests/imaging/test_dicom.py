"""DICOM series keep every voxel's value and place, however they are stored."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import Volume
from latup_cli.errors import (
    ImageContentError,
    LatupError,
    MissingSlicesError,
    MixedSeriesError,
    PlacelessSeriesError,
    RepeatedSlicesError,
    SingleSliceError,
    UnevenSlicesError,
    UnreadableImageError,
)
from latup_cli.imaging.dicom import read_file
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.imaging.dicom_pixels import read_series
from tests.fixtures.dicom import (
    PATIENT,
    PLANES,
    TAGS,
    Series,
    compress,
    datasets,
    in_plane,
    write,
    write_enhanced,
    write_series,
)

NAME = Path("t1 (DICOM)")
SECOND_READER = shutil.which("dcm2niix")

LEFT_LESION = (0.2, 0.5, 0.6)  # shares of a RAS+ array


def head(angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Volume:
    """A non-cubic, anisotropic head of (22, 26, 14) voxels with one bright lesion on the left."""
    shape = (22, 26, 14)
    data = np.random.default_rng(2).integers(20, 90, shape).astype(np.float32)
    i, j, k = (int(share * n) for share, n in zip(LEFT_LESION, shape, strict=True))
    data[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2] = 2000
    affine = np.diag([4.0, 3.5, 6.0, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * s for n, s in zip(shape, affine.diagonal()[:3], strict=True)]
    return Volume(data, Grid(shape, _turned(angles_deg) @ affine))


def _turned(angles_deg: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    turn = np.eye(4)
    for axis, angle in enumerate(np.radians(angles_deg)):
        one, other = [a for a in range(3) if a != axis]
        step = np.eye(4)
        step[one, one] = step[other, other] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    return turn


def made(plane: str = "axial", **tags: object) -> Series:
    """A T1 series of the head in one of the usual planes."""
    return Series(in_plane(head(), plane), {**TAGS["t1"], **tags})


def same(found: Volume, expected: Volume, *, atol: float = 0.0) -> None:
    """The same values at the same places, in whatever order the axes are stored."""
    turns = [reorientation(volume.grid, "RAS") for volume in (found, expected)]
    grids = [t.grid(v.grid) for t, v in zip(turns, (found, expected), strict=True)]
    assert grids[0].matches(grids[1], tolerance_mm=1e-3)
    arrays = [t.apply(v.data) for t, v in zip(turns, (found, expected), strict=True)]
    np.testing.assert_allclose(arrays[0], arrays[1], rtol=0, atol=atol)


def bright_place_ras_mm(volume: Volume) -> npt.NDArray[np.float64]:
    """Middle of the lesion."""
    middle = np.argwhere(volume.data > 1000).mean(axis=0)
    return (
        np.asarray(volume.grid.ras_from_voxel[:3, :3] @ middle) + volume.grid.ras_from_voxel[:3, 3]
    )


SYNTAXES = {
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "RLE": RLELossless,
}


@given(
    plane=st.sampled_from(sorted(PLANES)),
    angles=st.tuples(*[st.floats(-25, 25)] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
    enhanced=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_left_lesion_stays_left(
    plane: str, angles: tuple[float, float, float], flips: tuple[bool, bool, bool],
    enhanced: bool, shuffle: object, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """Axial, sagittal, coronal and oblique, flipped or not: each voxel keeps value and place."""
    folder = tmp_path_factory.mktemp("series")
    expected = in_plane(head(angles), plane)
    steps = tuple(-1 if flip else 1 for flip in flips)
    turned_from_voxel = np.diag([*steps, 1.0])
    turned_from_voxel[:3, 3] = [
        n - 1 if flip else 0 for n, flip in zip(expected.grid.shape, flips, strict=True)
    ]
    flipped = Volume(
        np.ascontiguousarray(expected.data[:: steps[0], :: steps[1], :: steps[2]]),
        Grid(expected.grid.shape, expected.grid.ras_from_voxel @ turned_from_voxel),
    )
    series = Series(flipped, TAGS["t1"])
    files = [write_enhanced(folder / "e", series)] if enhanced else write_series(folder, series)
    shuffle.shuffle(files)
    found = read_series(NAME, files)
    same(found, expected)
    place = bright_place_ras_mm(found)
    np.testing.assert_allclose(place, bright_place_ras_mm(expected), atol=1e-2)
    assert np.linalg.inv(_turned(angles))[0, :3] @ place < 0
    shutil.rmtree(folder)


@pytest.mark.skipif(SECOND_READER is None, reason="dcm2niix is not installed")
@pytest.mark.parametrize(
    ("plane", "kind"),
    [
        *((plane, kind) for plane in (*PLANES, "oblique") for kind in ("classic", "enhanced")),
        *(("oblique", syntax) for syntax in SYNTAXES),
    ],
)
def test_a_second_reader_agrees(plane: str, kind: str, tmp_path: Path) -> None:
    """dcm2niix gives the same voxels at the same places, up to the order of axes."""
    image = head((14.0, -9.0, 21.0)) if plane == "oblique" else in_plane(head(), plane)
    series = Series(image, {**TAGS["t1"], "RescaleSlope": "2", "RescaleIntercept": "-10"})
    even = Volume(np.round(image.data / 2).astype(np.float32) * 2, image.grid)
    series = replace(series, image=even)
    folder, out = tmp_path / "in", tmp_path / "out"
    out.mkdir()
    if kind == "enhanced":
        files = [write_enhanced(folder / "e.dcm", series)]
    else:
        files = write_series(folder, series)
    for path in files if kind in SYNTAXES else ():
        compress(path, SYNTAXES[kind])
    done = subprocess.run(
        [str(SECOND_READER), "-b", "y", "-z", "n", "-f", "x", "-o", out, folder],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    (converted,) = out.glob("*.nii")
    other = nib.load(converted)
    assert done.returncode == 0, done.stdout
    assert json.loads(converted.with_suffix(".json").read_text())["Modality"] == "MR"
    expected = Volume(other.get_fdata(dtype=np.float32), Grid(other.shape, other.affine))
    same(read_series(NAME, files), expected, atol=1e-3)
    same(read_series(NAME, files), even, atol=1e-3)


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_compressed_series_are_read(syntax: str, enhanced: bool, tmp_path: Path) -> None:
    """Every lossless compression gives the voxels as they were, negative ones included."""
    image = in_plane(head(), "coronal")
    signed = Volume(image.data - 50, image.grid)
    series = Series(signed, TAGS["t1"])
    files = [write_enhanced(tmp_path / "e", series)] if enhanced else write_series(tmp_path, series)
    for path in files:
        compress(path, SYNTAXES[syntax])
        syntax_written = dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        assert syntax_written == SYNTAXES[syntax]
    assert signed.data.min() < 0
    same(read_series(NAME, files), signed)


def test_one_series_may_mix_compressions(tmp_path: Path) -> None:
    """Archives that compress what is new leave series of which only some files are compressed."""
    series = made()
    files = write_series(tmp_path, series)
    for path in files[::2]:
        compress(path, JPEGLSLossless)
    same(read_series(NAME, files), series.image)


def test_a_compression_unknown_to_us_is_named(tmp_path: Path) -> None:
    """What no decoder of ours reads is refused by its name."""
    (path, other) = write_series(tmp_path, made())[:2]
    compress(path, JPEG2000Lossless)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(path)
    with pytest.raises(UnreadableImageError, match="High-Throughput JPEG 2000"):
        read_series(NAME, [path, other])


def test_deflated_and_bare_files_are_read(tmp_path: Path) -> None:
    """A deflated data set, and an old file without preamble, are read like any other."""
    series = made()
    files = []
    for k, dataset in enumerate(datasets(series)):
        path = tmp_path / f"{k}"
        if k % 2:
            write(path, dataset, preamble=False)
        else:
            write(path, dataset)
            again = dcmread(path)
            again.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            again.save_as(path)
        assert is_dicom(path)
        files.append(path)
    same(read_series(NAME, files), series.image)


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    """Slope and intercept differ from slice to slice, as PET-MR and Philips scanners write them."""
    image = in_plane(head(), "axial")
    n = image.data.shape[2]
    slopes = [f"{0.25 * (1 + k % 4):g}" for k in range(n)]
    intercepts = [str(-4 * k) for k in range(n)]
    per_slice = {"RescaleSlope": slopes, "RescaleIntercept": intercepts}
    series = Series(image, TAGS["t1"], per_slice=per_slice)
    same(read_series(NAME, write_series(tmp_path / "c", series)), image, atol=0.51)
    enhanced = write_enhanced(tmp_path / "e", series)
    same(read_series(NAME, [enhanced]), image, atol=0.51)
    stored = dcmread(tmp_path / "e").pixel_array
    assert abs(stored[9].astype(float) - image.data[:, :, 9].T).max() > 10


def test_values_beyond_short_integers_survive(tmp_path: Path) -> None:
    """Unsigned sixteen-bit values come out positive."""
    series = made()
    files = write_series(tmp_path, series)
    for path in files:
        dataset = dcmread(path)
        stored = dataset.pixel_array.astype(np.uint16) + 40000
        dataset.PixelRepresentation, dataset.PixelData = 0, stored.tobytes()
        dataset.save_as(path)
    found = read_series(NAME, files)
    same(Volume(found.data - np.float32(40000), found.grid), series.image)


Spoil = Callable[[list[Path]], object]


def edited(**values: object) -> Spoil:
    """A way to change tags of the fourth slice; None removes one."""

    def spoil(files: list[Path]) -> None:
        dataset = dcmread(files[3])
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(files[3])

    return spoil


def pushed(files: list[Path]) -> None:
    """The fourth slice lies 1.5 mm off its place."""
    dataset = dcmread(files[3])
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y, float(z) + 1.5]
    dataset.save_as(files[3])


def smaller(files: list[Path]) -> None:
    """The fourth slice has fewer rows."""
    dataset = dcmread(files[3])
    dataset.Rows -= 2
    dataset.PixelData = dataset.PixelData[: dataset.Rows * dataset.Columns * 2]
    dataset.save_as(files[3])


def repeated(files: list[Path]) -> None:
    """The fourth slice lies where the third does."""
    dataset, third = dcmread(files[3]), dcmread(files[2])
    dataset.ImagePositionPatient = third.ImagePositionPatient
    dataset.save_as(files[3])


def cut(files: list[Path]) -> None:
    files[3].write_bytes(files[3].read_bytes()[:-200])


BAD_SERIES: dict[str, tuple[Spoil, type[LatupError], str]] = {
    "gap": (lambda files: files.pop(3), MissingSlicesError, "lacks 1 slice between"),
    "two gaps": (
        lambda files: (files.pop(8), files.pop(3), files.pop(3)), MissingSlicesError,
        "lacks 3 slices",
    ),
    "uneven": (pushed, UnevenSlicesError, "slices 4.50 to 7.50 mm apart"),
    "repeated": (repeated, RepeatedSlicesError, "shows one place more than once"),
    "turned": (
        edited(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), MixedSeriesError, "orientations"
    ),
    "smaller": (smaller, MixedSeriesError, "sizes"),
    "finer": (edited(PixelSpacing=["3.5", "2"]), MixedSeriesError, "pixel spacings"),
    "no position": (edited(ImagePositionPatient=None), PlacelessSeriesError, "no position"),
    "no orientation": (
        edited(ImageOrientationPatient=None), PlacelessSeriesError, "no orientation"
    ),
    "no spacing": (edited(PixelSpacing=None), PlacelessSeriesError, "no spacing"),
    "not a number": (
        edited(ImagePositionPatient=["nan", "0", "0"]), PlacelessSeriesError, "no position"
    ),
    "one slice": (lambda files: files.__delitem__(slice(1, None)), SingleSliceError, "single"),
    "cut short": (cut, UnreadableImageError, "damaged or cut short"),
    "gone": (lambda files: files[3].unlink(), UnreadableImageError, "damaged or gone"),
    "no pixels": (edited(PixelData=None), UnreadableImageError, "damaged or cut short"),
    "text": (lambda files: files[3].write_bytes(b"x" * 900), UnreadableImageError, "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SERIES)
def test_bad_series_are_refused_by_name(case: str, tmp_path: Path) -> None:
    """A volume that would be misplaced is never made; the message names nobody."""
    spoil, error, said = BAD_SERIES[case]
    files = write_series(tmp_path / PATIENT["PatientID"], made())
    spoil(files)
    with pytest.raises(LatupError) as caught:
        read_series(NAME, files)
    assert type(caught.value) is error
    assert caught.value.exit_code == 3
    assert caught.value.hint
    assert str(caught.value).startswith(str(NAME))
    assert said in str(caught.value)
    assert not any(value in str(caught.value) for value in PATIENT.values())


def test_a_tilted_stack_has_a_sheared_grid(tmp_path: Path) -> None:
    """Slices that are pushed sideways one by one are not straightened in silence."""
    files = write_series(tmp_path, made())
    for k, path in enumerate(files):
        dataset = dcmread(path)
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 1.2 * k, z]
        dataset.save_as(path)
    grid = read_series(NAME, files).grid
    assert not grid.is_orthogonal
    assert not isinstance(grid, ImageContentError)


def test_an_enhanced_file_of_two_echoes_is_two_volumes(tmp_path: Path) -> None:
    """Each echo is read on its own, and without saying which, neither is."""
    series = made()
    path = write_enhanced(tmp_path / "e", series, echoes=(12.0, 98.0))
    for volume in (0, 1):
        found = read_series(NAME, [path], volume)
        same(Volume(found.data - np.float32(volume), found.grid), series.image)
    with pytest.raises(UnreadableImageError, match="have changed"):
        read_series(NAME, [path])


@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 127, 255])), max_size=8),
    length=st.floats(0.01, 1),
)
@settings(max_examples=80, deadline=None)
def test_damaged_files_never_surprise(
    changes: list[tuple[float, int]], length: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever happens to a file's bytes, there is an image, none, or an error of ours."""
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    write(path, datasets(made())[0])
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    path.write_bytes(content[: int(length * len(content))])
    found = read_file(path)
    assert found is None or found.path == path
    with pytest.raises(LatupError):
        read_series(NAME, [path])
