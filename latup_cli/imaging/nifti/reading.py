"""Read NIfTI files as they are stored, and say what is wrong with damaged ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import Volume
from latup_cli.errors import (
    FlatImageError,
    GeometryError,
    ImageContentError,
    LatupError,
    SeveralVolumesError,
    UnreadableImageError,
)
from latup_cli.imaging.nifti.header import (
    BROKEN,
    LONGEST,
    Header,
    codes_of,
    count,
    promised_bytes,
    qform_gap_mm,
    quiet,
    read_header,
    scheme_name,
    voxels_of,
)
from latup_cli.imaging.nifti_bytes import CutShortError, decompressed, parts


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
        return count(read_header(path, content.stream.read(LONGEST)))


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
    except BROKEN as error:
        nowhere = path.is_symlink() and not path.exists()
        reason = "its link leads to no file" if nowhere else _reason(error)
        raise UnreadableImageError(path, reason) from error


def _opened(path: Path, *, most_volumes: int | None = None) -> tuple[NiftiImage, ...]:
    """Every volume of a file."""
    first, *others = parts(path)
    with decompressed(first) as content:
        head = content.stream.read(LONGEST)
        header = read_header(path, head)
        if most_volumes is not None and count(header) > most_volumes:
            raise SeveralVolumesError(path, count(header))
        promised = promised_bytes(path, header)
        held = content.up_to(promised, head) if header.is_single else None
    if held is not None:
        with quiet():
            start = io.BytesIO(held[: int(header.get_data_offset())].tobytes())
            header = type(header).from_fileobj(start)  # with its extensions
        return _decoded(path, header, held)
    if not others:
        reason = "it is not a NIfTI file of its own: the .img with its voxels is not there"
        raise UnreadableImageError(path, reason)
    with decompressed(others[0]) as content:
        return _decoded(path, header, content.up_to(promised))


def _decoded(path: Path, header: Header, held: npt.NDArray[np.uint8]) -> tuple[NiftiImage, ...]:
    """Every volume, with the place that all share.

    Args:
        path: For messages.
        header: With extensions, if there are any.
        held: The bytes of the file that holds the voxels, from its first on.
    """
    i, j, k, *_ = (int(n) for n in header.get_data_shape())
    try:
        with quiet():
            grid = Grid((i, j, k), header.get_best_affine())
            facts = (grid, codes_of(header), qform_gap_mm(header, grid), scheme_name(header))
    except GeometryError as error:
        raise FlatImageError(path, str(error).rstrip(".")) from error
    data = voxels_of(header, held).reshape((*grid.shape, -1), order="F")
    return tuple(NiftiImage(data[..., volume], *facts) for volume in range(data.shape[-1]))


def _reason(error: BaseException) -> str:
    """One line without the path, which nibabel and the system like to put in."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    said = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"it is damaged ({said})" if said else "it is damaged"
