"""Tell DICOM files from others by their first bytes, without loading a DICOM library."""

from __future__ import annotations

from pathlib import Path

_PREAMBLE = 128
_MAGIC = b"DICM"
_BARE = (b"\x02\x00", b"\x08\x00")  # an old file without preamble begins with these groups


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, whatever its name; False if it cannot be opened."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_PREAMBLE + len(_MAGIC))
    except OSError:
        return False
    return head[_PREAMBLE:] == _MAGIC or (len(head) > _PREAMBLE and head[:2] in _BARE)
