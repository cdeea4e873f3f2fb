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
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
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

_COMMENT_EXTENSION = 6  # the NIfTI registry's code for plain text
_COMPRESSION = 5
_DIMENSIONS = 3
_GZIP = b"\x1f\x8b"
_LONGEST_HEADER = 540
_CHUNK = 1 << 20
_DEFLATE_AT_BEST = 1040  # bytes out of one byte in: 1032 by the format, and room for rounding
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

Opened: TypeAlias = nib.Nifti1Image | nib.Nifti2Image

_MAGIC: Final = (
    # where the magic word stands, the word, its header's length, how to read it
    (344, b"n+1\0", 348, nib.Nifti1Image),
    (4, b"n+2\0", 540, nib.Nifti2Image),
)

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
    """

    data: npt.NDArray[np.generic]
    grid: Grid
    codes: SpatialCodes
    qform_gap_mm: float = 0.0

    @property
    def volume(self) -> Volume:
        """The image as float32; what does not fit becomes infinite."""
        with np.errstate(over="ignore"):
            return Volume(np.asarray(self.data, dtype=np.float32), self.grid)


def read(path: Path) -> NiftiImage:
    """Read one 3-D image; a fourth axis of length one is dropped.

    Whether the file is compressed is read from its content, so that a wrong suffix does no
    harm, and a compressed file's checksum is verified. The size that the header promises is
    checked before anything is allocated.

    Raises:
        UnreadableImageError: If the file is empty, cut short, damaged, or not NIfTI.
        ImageContentError: If it holds several volumes, other than three axes, or no numbers;
            if its affine gives it no size in space.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _decoded(path, _opened(path))
    except LatupError:
        raise
    except _BROKEN as error:
        raise UnreadableImageError(path, _reason(error)) from error


def read_labels(path: Path) -> NiftiImage:
    """Read a segmentation as (i, j, k) uint8.

    Raises:
        ImageContentError: If a voxel is not a whole number from 0 to 255.
        UnreadableImageError: As `read`.
    """
    image = read(path)
    labels = image.data.astype(np.uint8)
    if not np.array_equal(labels, image.data):
        hint = "A segmentation holds one whole number per voxel."
        raise ImageContentError(path, "is not a label map", hint)
    return NiftiImage(labels, image.grid, image.codes)


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


def _opened(path: Path) -> Opened:
    """The whole file, decompressed, as nibabel sees it."""
    size = path.stat().st_size
    with path.open("rb") as raw:
        zipped = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        if not zipped:
            return _loaded(path, raw, size)
        with gzip.GzipFile(fileobj=raw) as unzipped:
            image = _loaded(path, unzipped, size * _DEFLATE_AT_BEST)
            while unzipped.read(_CHUNK):  # the checksum stands at the end
                pass
            return image


def _loaded(path: Path, stream: io.BufferedIOBase, most_bytes: int) -> Opened:
    """What a stream holds, of which no more than `most_bytes` can come."""
    head = stream.read(_LONGEST_HEADER)
    if not head:
        raise UnreadableImageError(path, "it is empty")
    for start, word, length, form in _MAGIC:
        if head[start : start + len(word)] == word:
            promised = _promised_bytes(path, form.header_class(head[:length]), most_bytes)
            content = head + stream.read(max(0, promised - len(head)))
            if len(content) < promised:
                raise _cut_short(path, len(content), promised)
            return form.from_bytes(content)
    raise UnreadableImageError(path, "it is not a NIfTI file, or its header is damaged")


def _promised_bytes(path: Path, header: nib.Nifti1Header, most_bytes: int) -> int:
    """The size of the decompressed file according to its header.

    Raises:
        ImageContentError: If the header speaks of anything but one 3-D image of numbers.
        UnreadableImageError: If the size cannot be true.
    """
    shape = tuple(int(n) for n in header.get_data_shape())
    offset, kind = int(header.get_data_offset()), header.get_data_dtype()
    promised = offset + math.prod(shape) * int(kind.itemsize)
    if offset < 0 or any(n < 1 for n in shape):
        raise UnreadableImageError(path, "its header is damaged")
    if promised > most_bytes:
        raise _cut_short(path, most_bytes, promised)
    if math.prod(shape[_DIMENSIONS:]) > 1:
        raise SeveralVolumesError(path, math.prod(shape[_DIMENSIONS:]))
    if len(shape) < _DIMENSIONS or kind.kind not in "biuf":
        hint = "Give a 3-D NIfTI image with one number per voxel."
        raise ImageContentError(path, "is not a 3-D image", hint)
    if math.prod(shape) > _MOST_VOXELS:
        raise UnreadableImageError(path, f"its header promises {math.prod(shape):,} voxels")
    return promised


def _cut_short(path: Path, found: int, promised: int) -> UnreadableImageError:
    reason = f"it is cut short, or its header is damaged: {found:,} of {promised:,} bytes"
    return UnreadableImageError(path, reason)


def _decoded(path: Path, image: Opened) -> NiftiImage:
    i, j, k = (int(n) for n in image.shape[:_DIMENSIONS])
    try:
        grid = Grid((i, j, k), image.affine)
    except GeometryError as error:
        raise FlatImageError(path, str(error).rstrip(".")) from error
    data = _voxels(image).reshape(grid.shape, order="A")
    return NiftiImage(data, grid, _codes(image), _qform_gap_mm(image, grid))


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
