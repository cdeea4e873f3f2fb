"""The bytes of NIfTI files: compressed or not, in one file or in two; no header is read here."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latup_cli.errors import OtherFormatError

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
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

    def up_to(self, end: int, start: bytes = b"") -> bytes:
        """The first `end` bytes or more, of which `start` has been read already.

        Raises:
            CutShortError: If there are fewer; where that is clear, nothing is read before.
        """
        if end > self.most_bytes:
            raise CutShortError(self.most_bytes, end)
        read = start + self.stream.read(max(0, end - len(start)))
        if len(read) < end:
            raise CutShortError(len(read), end)
        return read


@contextmanager
def decompressed(path: Path, *, whole: bool = True) -> Iterator[Content]:
    """A file's content, compressed or not, which is read from its first bytes.

    A compressed file is read to its end, where its checksum is verified, unless the whole of
    it is of no interest.

    Raises:
        OSError: If it cannot be read, or the checksum is wrong.
        EOFError: If it is cut short.
        zlib.error: If it is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        zipped = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        if not zipped:
            yield Content(raw, size)
            return
        with gzip.GzipFile(fileobj=raw) as unzipped:
            yield Content(unzipped, size * _DEFLATE_AT_BEST)
            while whole and unzipped.read(_CHUNK):
                pass


def refuse_other_formats(path: Path, head: bytes) -> None:
    """Name the format of a file that begins as images of other programs do.

    Raises:
        OtherFormatError: If it is NRRD, MetaImage or DICOM.
    """
    for start, word, form in _SIGNS:
        if head[start : start + len(word)] == word:
            raise OtherFormatError(path, form)
