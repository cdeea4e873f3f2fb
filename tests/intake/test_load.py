"""What is accepted as a study, and how each bad image is refused."""

from __future__ import annotations

import gzip
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import Study
from latup_cli.errors import (
    ConstantImageError,
    FlatImageError,
    ImageContentError,
    LabelMapGivenError,
    LatupError,
    NonFiniteVoxelsError,
    NoOrientationError,
    SameImageError,
    SeveralVolumesError,
    ShearedImageError,
    SlabError,
    TooSmallImageError,
    UnreadableImageError,
)
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.labels import MODALITIES

WriteImages = Callable[[Path, Mapping[str, str]], Path]
Array = npt.NDArray[np.generic]
Change = Callable[[Array], Array]
Move = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

NAMES = {modality: f"p_{modality}.nii.gz" for modality in MODALITIES}
FLAIR = "p_flair.nii.gz"


@pytest.fixture
def folder(tmp_path: Path, write_images: WriteImages) -> Path:
    """A good study."""
    return write_images(tmp_path / "study", NAMES)


def data_of(path: Path) -> Array:
    """Voxels of a file."""
    return np.asanyarray(nib.load(path).dataobj)


def save(path: Path, data: Array, affine: npt.NDArray[np.float64], *, code: int = 1) -> None:
    """Write a file whose sform is the affine; code 0 stands for no place at all."""
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, code=code)
    nib.save(image, path)


def changed(change: Change, *names: str) -> Callable[[Path], None]:
    """A way to spoil the voxels of some files, FLAIR by default."""

    def spoil(folder: Path) -> None:
        for path in (folder / name for name in (names or (FLAIR,))):
            save(path, change(data_of(path)), nib.load(path).affine)

    return spoil


def moved(move: Move, *names: str) -> Callable[[Path], None]:
    """A way to spoil the affine of some files, FLAIR by default."""

    def spoil(folder: Path) -> None:
        for path in (folder / name for name in (names or (FLAIR,))):
            save(path, data_of(path), move(nib.load(path).affine))

    return spoil


def replaced(content: bytes, *, cut: int | None = None) -> Callable[[Path], None]:
    """A way to put other bytes in FLAIR's place, or to cut its own short."""

    def spoil(folder: Path) -> None:
        path = folder / FLAIR
        path.write_bytes(path.read_bytes()[:cut] if cut else content)

    return spoil


def edited(start: int, field: bytes) -> Callable[[Path], None]:
    """A way to overwrite a field of FLAIR's header."""

    def spoil(folder: Path) -> None:
        path = folder / FLAIR
        raw = bytearray(gzip.decompress(path.read_bytes()))
        raw[start : start + len(field)] = field
        path.write_bytes(gzip.compress(bytes(raw)))

    return spoil


def broken_checksum(folder: Path) -> None:
    """Flip a bit of the checksum that ends a compressed file."""
    path = folder / FLAIR
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(bytes(raw))


def one_voxel(value: float) -> Change:
    """Put a value into one voxel."""

    def change(data: Array) -> Array:
        copy = data.astype(np.float32)
        copy[9, 9, 9] = value
        return copy

    return change


def copied(folder: Path) -> None:
    """FLAIR is a copy of T2 under FLAIR's name."""
    (folder / FLAIR).write_bytes((folder / "p_t2.nii.gz").read_bytes())


def without_orientation(folder: Path) -> None:
    """Both codes 0."""
    save(folder / FLAIR, data_of(folder / FLAIR), np.eye(4), code=0)


def colored(folder: Path) -> None:
    """A picture with three numbers per voxel."""
    rgb = np.zeros((36, 34, 38), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(folder / FLAIR, rgb, np.eye(4))


def noise(data: Array) -> Array:
    """A head as scanned: noise where the air is."""
    return data + np.random.default_rng(1).rayleigh(5, data.shape).astype(np.float32)


def sheared(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A gantry tilt of about ten degrees."""
    tilt = np.eye(4)
    tilt[1, 2] = 0.18
    return affine @ tilt


def shifted(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Three millimetres to the side."""
    shift = np.eye(4)
    shift[0, 3] = 3.0
    return shift @ affine


SHORT_DIM = (4).to_bytes(2, "little") + b"".join(
    n.to_bytes(2, "little") for n in (30000, 30000, 30000, 1)
)
PICTURE_HEADER = bytes((0x89, 0x50, 0x4E, 0x47)) * 200

BAD_IMAGES = {
    "empty": (replaced(b""), UnreadableImageError, "is empty"),
    "text": (replaced(b"not an image\n" * 99), UnreadableImageError, "not a NIfTI"),
    "picture": (replaced(PICTURE_HEADER), UnreadableImageError, "not a NIfTI"),
    "cut short": (replaced(b"", cut=9000), UnreadableImageError, "damaged"),
    "cut in header": (replaced(b"", cut=60), UnreadableImageError, "damaged"),
    "wrong magic": (edited(344, b"ni1\0"), UnreadableImageError, "not a NIfTI"),
    "terabytes": (edited(40, SHORT_DIM), UnreadableImageError, "27,000,000,000,000 voxels"),
    "no such type": (edited(70, b"\x77\x07"), UnreadableImageError, "damaged"),
    "checksum": (broken_checksum, UnreadableImageError, "damaged"),
    "4-D": (changed(lambda d: np.stack([d, d], -1)), SeveralVolumesError, "2 volumes"),
    "2-D": (changed(lambda d: d[:, :, 9]), ImageContentError, "not a 3-D image"),
    "color": (colored, ImageContentError, "not a 3-D image"),
    "NaN": (changed(one_voxel(np.nan)), NonFiniteVoxelsError, "1 voxels"),
    "infinite": (changed(one_voxel(np.inf)), NonFiniteVoxelsError, "1 voxels"),
    "too large for float32": (
        changed(lambda d: d.astype(np.float64) * 1e300), NonFiniteVoxelsError, "infinite"
    ),
    "zero": (changed(np.zeros_like), ConstantImageError, "is 0 everywhere"),
    "constant": (changed(lambda d: np.full_like(d, 7)), ConstantImageError, "is 7 everywhere"),
    "labels": (
        changed(lambda d: (d > 300).astype(np.uint8) * 4), LabelMapGivenError, "[0, 4]"
    ),
    "small": (
        changed(lambda d: d[:, :, 4:-3], *sorted(NAMES.values())),
        TooSmallImageError, "36 x 34 x 31 voxels; each axis needs at least 32",
    ),
    "one slice": (
        changed(lambda d: d[:, :, 16:17]), TooSmallImageError, "x 1 voxels",
    ),
    "few slices": (
        changed(lambda d: d[:, :, 10:21]), TooSmallImageError,
        "36 x 34 x 11 voxels; each axis needs at least 12",
    ),
    "slab of a head": (changed(noise), SlabError, "only 34 mm along one axis"),
    "sheared": (moved(sheared), ShearedImageError, "10.2 degrees"),
    "flat": (moved(lambda a: a @ np.diag([1, 1, 0, 1])), FlatImageError, "broken affine"),
    "NaN affine": (moved(lambda a: a * np.nan), FlatImageError, "broken affine"),
    "micrometres": (moved(lambda a: a * 1e-3), FlatImageError, "0.001 x 0.001 x 0.001 mm"),
    "far away": (
        moved(lambda a: a + np.pad([[2e5], [0], [0]], ((0, 1), (3, 0)))),
        FlatImageError, "200 m from the scanner's origin",
    ),
    "no codes": (without_orientation, NoOrientationError, "codes are both 0"),
    "copy": (copied, SameImageError, "p_t2.nii.gz"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_refused(case: str, folder: Path) -> None:
    """Each bad image has its own error and exit code, one line with the file's name, a hint."""
    spoil, error, said = BAD_IMAGES[case]
    spoil(folder)
    with pytest.raises(LatupError) as caught:
        load_study(find_study(folder))
    assert type(caught.value) is error
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert (FLAIR if case != "small" else "p_t1ce.nii.gz") in message
    assert said in message
    assert "\n" not in message
    assert str(folder) not in message
    assert caught.value.hint


def test_errors_survive_a_worker_process(folder: Path) -> None:
    """An error from another process says the same, hint included."""
    for spoil, *_ in (BAD_IMAGES["4-D"], BAD_IMAGES["empty"]):
        spoil(folder)
        with pytest.raises(LatupError) as caught:
            load_study(find_study(folder))
        copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
        assert (type(copy), str(copy), copy.hint) == (
            type(caught.value), str(caught.value), caught.value.hint,
        )  # fmt: skip


def test_a_head_is_told_from_a_brain_by_its_volume(folder: Path) -> None:
    """A head whose air is exactly 0, in thick slices, is taken, and its skull is reported."""
    for name in NAMES.values():
        path = folder / name
        thick = data_of(path)[:, :, ::2]
        save(path, thick, np.diag([6.0, 6.0, 12.0, 1.0]))
    study = load_study(find_study(folder))
    assert set(study.skull) == set(MODALITIES)
    assert all("mL are not 0, and a brain has" in sign for sign in study.skull.values())
    assert study.on_one_grid


def test_a_head_is_told_from_a_brain_by_its_air(folder: Path) -> None:
    """Noise where the air is shows that one modality is not stripped, and no other."""
    for name in NAMES.values():
        save(folder / name, data_of(folder / name), np.diag([2.0, 2.0, 2.0, 1.0]))
    changed(noise)(folder)
    study = load_study(find_study(folder))
    assert set(study.skull) == {"flair"}
    assert "only 0% of its voxels are 0" in study.skull["flair"]


OTHER_GRIDS: Mapping[str, Callable[[Path], None]] = {
    "other shape": changed(lambda d: d[:-1]),
    "other place": moved(shifted),
    "other spacing": moved(lambda a: a @ np.diag([2, 1, 1, 1])),
    "other axes": moved(lambda a: a @ np.diag([-1, 1, 1, 1])),
    "thick slices": changed(lambda d: d[:, :, 10:22]),
}


@pytest.mark.parametrize("case", OTHER_GRIDS)
def test_each_image_keeps_its_own_grid(case: str, folder: Path) -> None:
    """Images on different grids are read as they are; the study says so and lies on the T1ce's."""
    OTHER_GRIDS[case](folder)
    study = load_study(find_study(folder))
    assert not study.on_one_grid
    for modality, name in NAMES.items():
        stored = nib.load(folder / name)
        assert study.images[modality].grid.matches(Grid(stored.shape, stored.affine))
    assert study.grid.matches(study.images["t1ce"].grid)


def test_of_several_errors_the_same_is_said_every_time(folder: Path) -> None:
    """Files are read in parallel, and the T1ce's error comes first whatever finishes first."""
    for modality in ("t1", "t2", "t1ce"):
        (folder / NAMES[modality]).write_bytes(b"")
    for _ in range(5):
        with pytest.raises(UnreadableImageError, match=r"^p_t1ce"):
            load_study(find_study(folder))


def test_readers_leave_warnings_as_they_were(folder: Path) -> None:
    """Threads that silence a library's warnings do not silence them for whoever comes after."""
    before = list(warnings.filters)
    load_study(find_study(folder))
    assert warnings.filters == before


def _loaded(folder: Path) -> Study:
    return load_study(find_study(folder))


def test_a_good_study_is_taken_as_stored(folder: Path) -> None:
    """Voxels, affine and codes come through unchanged."""
    study = _loaded(folder)
    assert tuple(study.images) == MODALITIES
    for modality, image in study.images.items():
        np.testing.assert_array_equal(image.data, data_of(folder / NAMES[modality]))
        assert image.data.dtype == np.float32
    np.testing.assert_allclose(study.grid.ras_from_voxel, nib.load(folder / FLAIR).affine)
    assert (study.codes.sform, study.codes.qform) == (1, 1)


def test_a_small_brain_is_remarked(folder: Path) -> None:
    """A brain of a few mL is accepted with a warning."""
    assert any("14 mL" in warning for warning in _loaded(folder).warnings)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[..., None],
        lambda d: d[..., None, None],
        lambda d: (d / d.max() * 255).astype(np.uint8),
        lambda d: d.astype(np.int16),
        lambda d: d.astype(np.float64),
        lambda d: d.astype(">i2"),
    ],
    ids=["one volume", "5-D", "0 to 255", "int16", "float64", "big endian"],
)
def test_other_ways_to_store_an_image_are_accepted(change: Change, folder: Path) -> None:
    """Single volumes with more axes, scaled 8-bit images and all number types pass."""
    changed(change)(folder)
    expected = np.squeeze(change(data_of(folder / NAMES["flair"])))
    assert _loaded(folder).images["flair"].data.shape == expected.shape


def test_header_scaling_is_applied(folder: Path) -> None:
    """A slope and an intercept in the header are part of the values."""
    path = folder / FLAIR
    image = nib.Nifti1Image(data_of(path).astype(np.int16), nib.load(path).affine)
    image.header.set_slope_inter(0.5, 0.0)
    nib.save(image, path)
    np.testing.assert_array_equal(_loaded(folder).images["flair"].data, nib.load(path).get_fdata())


def test_a_wrong_suffix_does_no_harm(folder: Path) -> None:
    """Whether a file is compressed is seen in its content."""
    path = folder / FLAIR
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert np.any(_loaded(folder).images["flair"].data)


def test_nifti_2_is_read(folder: Path) -> None:
    """NIfTI-2 files give the same study as NIfTI-1."""
    before = _loaded(folder).images["flair"].data
    path = folder / FLAIR
    nib.save(nib.Nifti2Image(data_of(path), nib.load(path).affine), path)
    np.testing.assert_array_equal(_loaded(folder).images["flair"].data, before)


def test_a_background_of_one_value_is_shifted(folder: Path) -> None:
    """Z-scored images, whose background is not 0, are accepted and it is said."""
    changed(lambda d: (d - 250.0) / 90.0)(folder)
    study = _loaded(folder)
    assert study.images["flair"].data[0, 0, 0] == 0
    assert any(FLAIR in warning and "-2.77778" in warning for warning in study.warnings)


def test_disagreeing_affines_are_remarked(folder: Path) -> None:
    """The sform is used, and a qform elsewhere is worth a warning."""
    path = folder / FLAIR
    image = nib.load(path)
    image.set_qform(shifted(image.affine), code=1)
    nib.save(nib.Nifti1Image(data_of(path), None, image.header), path)
    study = _loaded(folder)
    assert any(FLAIR in warning and "3.0 mm apart" in warning for warning in study.warnings)


def test_the_qform_serves_where_there_is_no_sform(folder: Path) -> None:
    """A file with only a qform lies where the qform says."""
    path = folder / FLAIR
    image = nib.load(path)
    image.set_sform(None, code=0)
    nib.save(nib.Nifti1Image(data_of(path), None, image.header), path)
    assert _loaded(folder).grid.shape == (36, 34, 38)


def test_rounded_directions_are_tolerated(folder: Path) -> None:
    """Axes a third of a degree off square, and grids a rounding error apart, pass unchanged."""
    tilt = np.eye(4)
    tilt[1, 2] = 0.005
    near = np.eye(4)
    near[0, 3] = 0.05
    moved(lambda affine: affine @ tilt, *NAMES.values())(folder)
    moved(lambda affine: near @ affine)(folder)
    study = _loaded(folder)
    np.testing.assert_allclose(
        study.grid.ras_from_voxel, nib.load(folder / NAMES["t1ce"]).affine, atol=1e-6
    )
