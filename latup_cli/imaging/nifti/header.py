"""What a NIfTI header says of its file: size, numbers, place in space, labels."""

from __future__ import annotations

import json
import logging
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.errors import ImageContentError, UnreadableImageError
from latup_cli.imaging.lean import without
from latup_cli.imaging.nifti_bytes import DAMAGED, refuse_other_formats

with without("pydicom"):  # and with it requests, for a header extension that nobody reads
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

LONGEST = 540
"""Bytes of the longest header, without extensions."""

_DIMENSIONS = 3
_EXACT_BYTES = 2  # a product of such a number and a single-precision factor is rounded once
_MOST_VOXELS = 1 << 29  # 2 GB as float32; a whole head at 0.25 mm fits

BROKEN = (
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
"""What nibabel raises where a file makes no sense."""

Header: TypeAlias = nib.Nifti1Header
"""To nibabel, a header of version 2 is a kind of header of version 1."""

_MAGIC: Final[tuple[tuple[int, bytes, int, type[Header]], ...]] = (
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


@contextmanager
def quiet() -> Iterator[None]:
    """Around whatever looks into a header; nibabel warns of what it repairs there."""
    with _FILTERS_OF_WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path, head: bytes) -> Header:
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
            with quiet():
                header = form(head[:length])
            _check_kind(path, header)
            return header
    refuse_other_formats(path, head)
    raise UnreadableImageError(path, "it is not a NIfTI file, or its header is damaged")


def _check_kind(path: Path, header: Header) -> None:
    shape = header.get_data_shape()
    if int(header.get_data_offset()) < 0 or any(int(n) < 1 for n in shape):
        raise UnreadableImageError(path, "its header is damaged")
    if len(shape) < _DIMENSIONS or header.get_data_dtype().kind not in "biuf":
        hint = "Give a 3-D NIfTI image with one number per voxel."
        raise ImageContentError(path, "is not a 3-D image", hint)


def count(header: Header) -> int:
    """Volumes in a file."""
    return math.prod(int(n) for n in header.get_data_shape()[_DIMENSIONS:])


def promised_bytes(path: Path, header: Header) -> int:
    """Where the last voxel ends in its file, in bytes from the first.

    Raises:
        UnreadableImageError: If that is far more than any image has.
    """
    voxels = math.prod(int(n) for n in header.get_data_shape())
    if voxels > _MOST_VOXELS:
        raise UnreadableImageError(path, f"its header promises {voxels:,} voxels")
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def scheme_name(header: Header) -> str:
    """What `write_labels` put into a header extension; other programs' extensions say nothing."""
    for extension in header.extensions:
        with suppress(ValueError, RecursionError):
            note = json.loads(extension.content.rstrip(b"\0"))
            if isinstance(note, dict) and isinstance(note.get("label_scheme"), str):
                return str(note["label_scheme"])
    return ""


def voxels_of(header: Header, held: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
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


def qform_gap_mm(header: Header, grid: Grid) -> float:
    """How far sform and qform put a corner voxel apart in mm; see `NiftiImage`."""
    codes = codes_of(header)
    if codes.sform <= 0 or codes.qform <= 0:
        return 0.0
    try:
        other = Grid(grid.shape, header.get_qform())
    except (ValueError, HeaderDataError):
        return math.inf
    gap = np.linalg.norm(grid.corners_ras_mm() - other.corners_ras_mm(), axis=1)
    return float(gap.max())


def codes_of(header: Header) -> SpatialCodes:
    """What the header says its two affines mean."""
    return SpatialCodes(int(header["sform_code"]), int(header["qform_code"]))
