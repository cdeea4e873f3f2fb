"""Read and write NIfTI files. The only module that imports nibabel."""

from __future__ import annotations

import io
import json
import logging
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

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
from latup_cli.imaging.lean import without
from latup_cli.imaging.nifti_bytes import (
    DAMAGED,
    CutShortError,
    compressing,
    decompressed,
    parts,
    refuse_other_formats,
)

with without("pydicom"):  # and with it requests, for a header extension that nobody reads
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.nifti1 import Nifti1Extension
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

_COMMENT_EXTENSION = 6  # the NIfTI registry's code for plain text
_DIMENSIONS = 3
_EXACT_BYTES = 2  # a product of such a number and a single-precision factor is rounded once
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
    DAMAGED,
)

_Header: TypeAlias = nib.Nifti1Header
"""To nibabel, a header of version 2 is a kind of header of version 1."""

_MAGIC: Final[tuple[tuple[int, bytes, int, type[_Header]], ...]] = (
    # where the magic word stands, the word, its header's length, how to read it
    (344, b"n+1\0", 348, nib.Nifti1Header),
    (4, b"n+2\0", 540, nib.Nifti2Header),
    (344, b"ni1\0", 348, nib.nifti1.Nifti1PairHeader),
    (4, b"ni2\0", 540, nib.nifti2.Nifti2PairHeader),
)
_FILTERS_OF_WARNINGS = Lock()  # they belong to the process, and files are read in threads

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
        return _opened(path, most_volumes=1)[0]


def read_volumes(path: Path) -> tuple[NiftiImage, ...]:
    """Read all volumes of a 4-D file in its order; they share one grid.

    Raises:
        LatupError: As `read`, but for the number of volumes.
    """
    with _explained(path):
        return _opened(path)


def count_volumes(path: Path) -> int:
    """How many 3-D images a file holds according to its header; no voxel is read.

    Raises:
        LatupError: As `read`, as far as the header shows it.
    """
    with _explained(path), decompressed(parts(path)[0], whole=False) as content:
        return _count(_header(path, content.stream.read(_LONGEST_HEADER)))


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
            image.to_stream(raw)
            return
        with compressing(raw) as zipped:
            image.to_stream(zipped)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file causes into our error."""
    try:
        with np.errstate(all="ignore"):
            yield
    except LatupError:
        raise
    except CutShortError as error:
        raise UnreadableImageError(path, str(error)) from error
    except _BROKEN as error:
        nowhere = path.is_symlink() and not path.exists()
        reason = "its link leads to no file" if nowhere else _reason(error)
        raise UnreadableImageError(path, reason) from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Around whatever looks into a header; nibabel warns of what it repairs there."""
    with _FILTERS_OF_WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _opened(path: Path, *, most_volumes: int | None = None) -> tuple[NiftiImage, ...]:
    """Every volume of a file."""
    first, *others = parts(path)
    with decompressed(first) as content:
        head = content.stream.read(_LONGEST_HEADER)
        header = _header(path, head)
        if most_volumes is not None and _count(header) > most_volumes:
            raise SeveralVolumesError(path, _count(header))
        promised = _promised_bytes(path, header)
        held = content.up_to(promised, head) if header.is_single else None
    if held is not None:
        with _without_warnings():
            start = io.BytesIO(held[: int(header.get_data_offset())].tobytes())
            header = type(header).from_fileobj(start)  # with its extensions
        return _decoded(path, header, held)
    if not others:
        reason = "it is not a NIfTI file of its own: the .img with its voxels is not there"
        raise UnreadableImageError(path, reason)
    with decompressed(others[0]) as content:
        return _decoded(path, header, content.up_to(promised))


def _header(path: Path, head: bytes) -> _Header:
    """A file's header, without extensions.

    Raises:
        UnreadableImageError: If it is not NIfTI or makes no sense.
        OtherFormatError: If it is of another format.
        ImageContentError: If it speaks of anything but 3-D images of numbers.
    """
    if not head:
        raise UnreadableImageError(path, "it is empty")
    for start, word, length, form in _MAGIC:
        if head[start : start + len(word)] == word:
            with _without_warnings():
                header = form(head[:length])
            _check_kind(path, header)
            return header
    refuse_other_formats(path, head)
    raise UnreadableImageError(path, "it is not a NIfTI file, or its header is damaged")


def _check_kind(path: Path, header: _Header) -> None:
    shape = header.get_data_shape()
    if int(header.get_data_offset()) < 0 or any(int(n) < 1 for n in shape):
        raise UnreadableImageError(path, "its header is damaged")
    if len(shape) < _DIMENSIONS or header.get_data_dtype().kind not in "biuf":
        hint = "Give a 3-D NIfTI image with one number per voxel."
        raise ImageContentError(path, "is not a 3-D image", hint)


def _count(header: _Header) -> int:
    """Volumes in a file."""
    return math.prod(int(n) for n in header.get_data_shape()[_DIMENSIONS:])


def _promised_bytes(path: Path, header: _Header) -> int:
    """Where the last voxel ends in its file."""
    voxels = math.prod(int(n) for n in header.get_data_shape())
    if voxels > _MOST_VOXELS:
        raise UnreadableImageError(path, f"its header promises {voxels:,} voxels")
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def _decoded(path: Path, header: _Header, held: npt.NDArray[np.uint8]) -> tuple[NiftiImage, ...]:
    """Every volume, with the place that all share.

    Args:
        path: For messages.
        header: With extensions, if there are any.
        held: The bytes of the file that holds the voxels, from its first on.
    """
    i, j, k, *_ = (int(n) for n in header.get_data_shape())
    try:
        with _without_warnings():
            grid = Grid((i, j, k), header.get_best_affine())
            facts = (grid, _codes(header), _qform_gap_mm(header, grid), _scheme_name(header))
    except GeometryError as error:
        raise FlatImageError(path, str(error).rstrip(".")) from error
    data = _voxels(header, held).reshape((*grid.shape, -1), order="F")
    return tuple(NiftiImage(data[..., volume], *facts) for volume in range(data.shape[-1]))


def _scheme_name(header: _Header) -> str:
    """What `write_labels` put into a header extension; other programs' extensions say nothing."""
    for extension in header.extensions:
        with suppress(ValueError, RecursionError):
            note = json.loads(extension.content.rstrip(b"\0"))
            if isinstance(note, dict) and isinstance(note.get("label_scheme"), str):
                return str(note["label_scheme"])
    return ""


def _voxels(header: _Header, held: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
    """Stored numbers in file order and their own type, or float32 if the header scales them."""
    voxels = math.prod(int(n) for n in header.get_data_shape())
    dtype, offset = header.get_data_dtype(), int(header.get_data_offset())
    stored = np.frombuffer(held, dtype, voxels, offset)
    slope, shift = (
        default if found is None else float(found)
        for found, default in zip(header.get_slope_inter(), (1.0, 0.0), strict=True)
    )
    if (slope, shift) == (1.0, 0.0):
        return stored
    if shift == 0.0 and dtype.kind in "iu" and dtype.itemsize <= _EXACT_BYTES:
        return np.multiply(stored, np.float32(slope), dtype=np.float32)
    return (stored * np.float64(slope) + shift).astype(np.float32)


def _qform_gap_mm(header: _Header, grid: Grid) -> float:
    codes = _codes(header)
    if codes.sform <= 0 or codes.qform <= 0:
        return 0.0
    try:
        other = Grid(grid.shape, header.get_qform())
    except (ValueError, HeaderDataError):
        return math.inf
    gap = np.linalg.norm(grid.corners_ras_mm() - other.corners_ras_mm(), axis=1)
    return float(gap.max())


def _codes(header: _Header) -> SpatialCodes:
    return SpatialCodes(int(header["sform_code"]), int(header["qform_code"]))


def _reason(error: BaseException) -> str:
    """One line without the path, which nibabel and the system like to put in."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    said = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"it is damaged ({said})" if said else "it is damaged"
