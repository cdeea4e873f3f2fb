"""The bytes of NIfTI files: compressed or not, in one file or in two; no header is read here."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from zlib_ng import zlib_ng
from zlib_ng.gzip_ng import GzipNGFile

from latup_cli.errors import OtherFormatError

DAMAGED = cast("type[Exception]", zlib_ng.error)
"""What the decompressor raises where the content makes no sense."""

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_COMPRESSION = 5  # for masks smaller than zlib's 5 in a fifth of its time; 9 saves 6 percent more
_DEFLATE_AT_BEST = 1040  # bytes out of one byte in: 1032 by the format, and room for rounding
_HALF = re.compile(r"\.(hdr|img)(?:\.gz)?$", re.IGNORECASE)
_SIGNS = (
    # where another format shows itself, how, its name
    (0, b"NRRD", "NRRD"),
    (0, b"ObjectType", "MetaImage"),
    (0, b"NDims", "MetaImage"),
    (128, b"DICM", "DICOM"),
)


def parts(path: Path) -> tuple[Path, ...]:
    """The files of one image: itself, or header and voxels of a `.hdr/.img` pair in this order.

    Either half leads to both; what is not there is left out.
    """
    if _HALF.search(path.name) is None or not path.exists():
        return (path,)
    stem = _HALF.sub("", path.name)
    halves: dict[str, Path] = {}
    for beside in sorted(path.parent.iterdir()):
        half = _HALF.search(beside.name)
        if half is not None and _HALF.sub("", beside.name) == stem:
            halves.setdefault(half[1].casefold(), beside)
    return tuple(halves[kind] for kind in ("hdr", "img") if kind in halves)


class CutShortError(EOFError):
    """A file has fewer bytes than its header promises."""

    def __init__(self, found: int, promised: int) -> None:
        super().__init__(found, promised)

    def __str__(self) -> str:
        found, promised = self.args
        return f"it is cut short, or its header is damaged: {found:,} of {promised:,} bytes"


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file once it is decompressed.

    Attributes:
        stream: The bytes.
        most_bytes: How many can come at most.
    """

    stream: io.BufferedIOBase
    most_bytes: int

    def up_to(self, end: int, start: bytes = b"") -> npt.NDArray[np.uint8]:
        """The first `end` bytes or more, of which `start` has been read already.

        Raises:
            CutShortError: If there are fewer; where that is clear, nothing is read before.
        """
        if end > self.most_bytes:
            raise CutShortError(self.most_bytes, end)
        held = np.empty(max(end, len(start)), dtype=np.uint8)
        filled = len(start)
        held[:filled] = np.frombuffer(start, dtype=np.uint8)
        while filled < end:
            read = self.stream.readinto(held.data[filled : filled + _CHUNK])
            if not read:
                raise CutShortError(filled, end)
            filled += read
        return held


@contextmanager
def decompressed(path: Path, *, whole: bool = True) -> Iterator[Content]:
    """A file's content, compressed or not, which is read from its first bytes.

    A compressed file is read to its end, where its checksum is verified, unless the whole of
    it is of no interest.

    Raises:
        OSError: If it cannot be read, or the checksum is wrong.
        EOFError: If it is cut short.
        DAMAGED: If its content makes no sense.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        zipped = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        if not zipped:
            yield Content(raw, size)
            return
        with GzipNGFile(fileobj=raw) as unzipped:  # type: ignore[no-untyped-call]
            yield Content(unzipped, size * _DEFLATE_AT_BEST)
            while whole and unzipped.read(_CHUNK):
                pass


@contextmanager
def compressing(raw: io.BufferedIOBase) -> Iterator[io.BufferedIOBase]:
    """A stream that compresses into `raw`; its header holds no time and no name."""
    zipped = GzipNGFile("", "wb", _COMPRESSION, raw, mtime=0)  # type: ignore[no-untyped-call]
    with zipped:
        yield zipped


def refuse_other_formats(path: Path, head: bytes) -> None:
    """Name the format of a file that begins as images of other programs do.

    Raises:
        OtherFormatError: If it is NRRD, MetaImage or DICOM.
    """
    for start, word, form in _SIGNS:
        if head[start : start + len(word)] == word:
            raise OtherFormatError(path, form)
