"""Read and write NIfTI files. The only module that imports nibabel."""

from __future__ import annotations

import gzip
import io
import json
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import FileHolder, ImageFileError
from nibabel.nifti1 import Nifti1Extension
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap, Volume
from latup_cli.errors import (
    FlatImageError,
    GeometryError,
    ImageContentError,
    LatupError,
    SeveralVolumesError,
    UnreadableImageError,
)
from latup_cli.imaging.atomic import replacing
from latup_cli.imaging.nifti_bytes import CutShortError, decompressed, parts, refuse_other_formats

_COMMENT_EXTENSION = 6  # the NIfTI registry's code for plain text
_COMPRESSION = 5
_DIMENSIONS = 3
_LONGEST_HEADER = 540
_MOST_VOXELS = 1 << 29  # 2 GB as float32; a whole head at 0.25 mm fits
_BROKEN = (
    ArithmeticError,
    EOFError,
    ImageFileError,
    HeaderDataError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    WrapStructError,
    struct.error,
    zlib.error,
)

Opened: TypeAlias = nib.Nifti1Pair | nib.Nifti2Pair
"""An image of either version; to nibabel, one in a single file is a kind of pair."""

_MAGIC: Final[tuple[tuple[int, bytes, int, type[Opened]], ...]] = (
    # where the magic word stands, the word, its header's length, how to read it
    (344, b"n+1\0", 348, nib.Nifti1Image),
    (4, b"n+2\0", 540, nib.Nifti2Image),
    (344, b"ni1\0", 348, nib.Nifti1Pair),
    (4, b"ni2\0", 540, nib.Nifti2Pair),
)
_ONE_FILE = (nib.Nifti1Image, nib.Nifti2Image)

# nibabel reports what it repairs in a header to standard error, beside our own messages.
logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, eq=False)
class NiftiImage:
    """What a NIfTI file holds, as stored: no axis is moved.

    Attributes:
        data: (i, j, k) in the file's own type, or float32 where the header scales it.
        grid: Its place in RAS+ mm: the sform where its code is positive, else the qform.
        codes: What the header says about that place.
        qform_gap_mm: How far sform and qform put a corner voxel apart, 0 unless both are set;
            infinite if the qform cannot be computed.
        label_scheme: Name of the label scheme that a header extension of ours declares, or "".
    """

    data: npt.NDArray[np.generic]
    grid: Grid
    codes: SpatialCodes
    qform_gap_mm: float = 0.0
    label_scheme: str = ""

    @property
    def volume(self) -> Volume:
        """The image as float32; what does not fit becomes infinite."""
        with np.errstate(over="ignore"):
            return Volume(np.asarray(self.data, dtype=np.float32), self.grid)


def read(path: Path) -> NiftiImage:
    """Read one 3-D image; a fourth axis of length one is dropped.

    Whether the file is compressed is read from its content, so that a wrong suffix does no
    harm, and a compressed file's checksum is verified. The size that the header promises is
    checked before anything is allocated. Of a `.hdr/.img` pair, either half may be named.

    Raises:
        UnreadableImageError: If the file is empty, cut short, damaged, or not NIfTI.
        OtherFormatError: If it is NRRD, MetaImage or DICOM.
        ImageContentError: If it holds several volumes, other than three axes, or no numbers;
            if its affine gives it no size in space.
    """
    with _explained(path):
        return _decoded(path, _opened(path, most_volumes=1))[0]


def read_volumes(path: Path) -> tuple[NiftiImage, ...]:
    """Read all volumes of a 4-D file in its order; they share one grid.

    Raises:
        LatupError: As `read`, but for the number of volumes.
    """
    with _explained(path):
        return _decoded(path, _opened(path))


def count_volumes(path: Path) -> int:
    """How many 3-D images a file holds according to its header; no voxel is read.

    Raises:
        LatupError: As `read`, as far as the header shows it.
    """
    with _explained(path), decompressed(parts(path)[0], whole=False) as content:
        header, _ = _header(path, content.stream.read(_LONGEST_HEADER))
        return _count(header)


def read_labels(path: Path) -> NiftiImage:
    """Read a segmentation as (i, j, k) uint8.

    Raises:
        ImageContentError: If a voxel is not a whole number from 0 to 255.
        UnreadableImageError: As `read`.
    """
    image = read(path)
    with np.errstate(invalid="ignore"):  # not-a-number is found below
        labels = image.data.astype(np.uint8)
    if not np.array_equal(labels, image.data):
        hint = "A segmentation holds one whole number per voxel."
        raise ImageContentError(path, "is not a label map", hint)
    return NiftiImage(labels, image.grid, image.codes, label_scheme=image.label_scheme)


def write_labels(path: Path, labels: LabelMap, codes: SpatialCodes) -> None:
    """Write a label map, its label names in a header extension, byte for byte reproducible.

    Raises:
        OutputError: If it cannot be written.
    """
    names = {str(value): name for value, name in labels.scheme.names.items()}
    note = json.dumps({"label_scheme": labels.scheme.name, "labels": names})
    image = _image(labels.data, labels.grid, codes)
    image.header.extensions.append(Nifti1Extension(_COMMENT_EXTENSION, note.encode("ascii")))
    _save(path, image)


def write_volume(
    path: Path, data: npt.NDArray[np.generic], grid: Grid, codes: SpatialCodes
) -> None:
    """Write an image of any number type: (i, j, k), or (i, j, k, n) for n volumes.

    Raises:
        OutputError: If it cannot be written.
    """
    _save(path, _image(data, grid, codes))


def _image(data: npt.NDArray[np.generic], grid: Grid, codes: SpatialCodes) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, grid.ras_from_voxel)
    image.set_sform(grid.ras_from_voxel, code=codes.sform)
    image.set_qform(grid.ras_from_voxel, code=codes.qform)
    image.header.set_xyzt_units("mm")
    return image


def _save(path: Path, image: nib.Nifti1Image) -> None:
    with replacing(path) as beside, beside.open("wb") as raw:
        if not path.name.endswith(".gz"):
            raw.write(image.to_bytes())
            return
        with gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as zipped:
            zipped.write(image.to_bytes())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file causes into our error."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except LatupError:
        raise
    except CutShortError as error:
        raise UnreadableImageError(path, str(error)) from error
    except _BROKEN as error:
        nowhere = path.is_symlink() and not path.exists()
        reason = "its link leads to no file" if nowhere else _reason(error)
        raise UnreadableImageError(path, reason) from error


def _opened(path: Path, *, most_volumes: int | None = None) -> Opened:
    """The whole image, decompressed, as nibabel sees it."""
    first, *others = parts(path)
    with decompressed(first) as content:
        head = content.stream.read(_LONGEST_HEADER)
        header, form = _header(path, head)
        if most_volumes is not None and _count(header) > most_volumes:
            raise SeveralVolumesError(path, _count(header))
        promised = _promised_bytes(path, header)
        if form in _ONE_FILE:
            return form.from_bytes(content.up_to(promised, head))
    if not others:
        reason = "it is not a NIfTI file of its own: the .img with its voxels is not there"
        raise UnreadableImageError(path, reason)
    with decompressed(others[0]) as content:
        halves = {"header": head[: header.sizeof_hdr], "image": content.up_to(promised)}
    files = {half: FileHolder(fileobj=io.BytesIO(held)) for half, held in halves.items()}
    return cast("Opened", form.from_file_map(files))  # type: ignore[no-untyped-call]


def _header(path: Path, head: bytes) -> tuple[nib.Nifti1Header, type[Opened]]:
    """A file's header, and which kind of file it is.

    Raises:
        UnreadableImageError: If it is not NIfTI or makes no sense.
        OtherFormatError: If it is of another format.
        ImageContentError: If it speaks of anything but 3-D images of numbers.
    """
    if not head:
        raise UnreadableImageError(path, "it is empty")
    for start, word, length, form in _MAGIC:
        if head[start : start + len(word)] == word:
            header = form.header_class(head[:length])
            _check_kind(path, header)
            return header, form
    refuse_other_formats(path, head)
    raise UnreadableImageError(path, "it is not a NIfTI file, or its header is damaged")


def _check_kind(path: Path, header: nib.Nifti1Header) -> None:
    shape = header.get_data_shape()
    if int(header.get_data_offset()) < 0 or any(int(n) < 1 for n in shape):
        raise UnreadableImageError(path, "its header is damaged")
    if len(shape) < _DIMENSIONS or header.get_data_dtype().kind not in "biuf":
        hint = "Give a 3-D NIfTI image with one number per voxel."
        raise ImageContentError(path, "is not a 3-D image", hint)


def _count(header: nib.Nifti1Header) -> int:
    """Volumes in a file."""
    return math.prod(int(n) for n in header.get_data_shape()[_DIMENSIONS:])


def _promised_bytes(path: Path, header: nib.Nifti1Header) -> int:
    """Where the last voxel ends in its file."""
    voxels = math.prod(int(n) for n in header.get_data_shape())
    if voxels > _MOST_VOXELS:
        raise UnreadableImageError(path, f"its header promises {voxels:,} voxels")
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def _decoded(path: Path, image: Opened) -> tuple[NiftiImage, ...]:
    """Every volume, with the place that all share."""
    i, j, k = (int(n) for n in image.shape[:_DIMENSIONS])
    try:
        grid = Grid((i, j, k), image.affine)
    except GeometryError as error:
        raise FlatImageError(path, str(error).rstrip(".")) from error
    data = _voxels(image).reshape((*grid.shape, -1), order="A")
    facts = (grid, _codes(image), _qform_gap_mm(image, grid), _scheme_name(image))
    return tuple(NiftiImage(data[..., volume], *facts) for volume in range(data.shape[-1]))


def _scheme_name(image: Opened) -> str:
    """What `write_labels` put into a header extension; other programs' extensions say nothing."""
    for extension in image.header.extensions:
        with suppress(ValueError, RecursionError):
            note = json.loads(extension.content.rstrip(b"\0"))
            if isinstance(note, dict) and isinstance(note.get("label_scheme"), str):
                return str(note["label_scheme"])
    return ""


def _voxels(image: Opened) -> npt.NDArray[np.generic]:
    """Stored numbers in their own type, or float32 if the header scales them."""
    proxy = cast("ArrayProxy", image.dataobj)
    if (proxy.slope, proxy.inter) == (1.0, 0.0):
        return np.asarray(proxy.get_unscaled())
    return np.asarray(proxy, dtype=np.float32)


def _qform_gap_mm(image: Opened, grid: Grid) -> float:
    codes = _codes(image)
    if codes.sform <= 0 or codes.qform <= 0:
        return 0.0
    try:
        other = Grid(grid.shape, image.header.get_qform())
    except (ValueError, HeaderDataError):
        return math.inf
    gap = np.linalg.norm(grid.corners_ras_mm() - other.corners_ras_mm(), axis=1)
    return float(gap.max())


def _codes(image: Opened) -> SpatialCodes:
    return SpatialCodes(int(image.header["sform_code"]), int(image.header["qform_code"]))


def _reason(error: BaseException) -> str:
    """One line without the path, which nibabel and the system like to put in."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    said = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"it is damaged ({said})" if said else "it is damaged"
