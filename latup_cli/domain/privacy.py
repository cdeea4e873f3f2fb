"""Which names could tell who a patient is, and what stands in their place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePath

_TELLING = re.compile(
    r"\^"  # a DICOM person name
    r"|\d{8}"  # a date, a time, a record number
    r"|(?<!\d)(?:19|20)\d\d([-._ ])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?<!\d)[0-3]\d([-._ ])[0-3]\d\2(?:19|20)\d\d(?!\d)"
)
_SEPARATORS = re.compile(r"[\W_]+")
_SHORTEST_WORD = 3
_HASH_LENGTH = 8
_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # eight digits would look like a date
_SUFFIXES = (".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img", ".nrrd", ".nhdr", ".mha",
             ".mhd", ".json", ".dcm")  # fmt: skip


def tells_who(name: str, private: Iterable[str] = ()) -> bool:
    """Whether a name could identify a patient.

    Args:
        name: Of a folder or a file.
        private: Words that identify this one, in lower case.

    Returns:
        True for `^` (DICOM person names), eight or more digits in a row (dates, record
        numbers), a date with separators, or a private word anywhere.
    """
    lower = name.casefold()
    joined = _SEPARATORS.sub("", lower)  # DOE_JANE and 12-34-56 say the same without signs
    return _TELLING.search(name) is not None or any(
        word in lower or word in joined for word in private
    )


def private_words(place: PurePath) -> frozenset[str]:
    """The words of those folders on a path whose names tell who somebody is, in lower case."""
    telling = " ".join(part for part in place.parts if tells_who(part))
    words = _SEPARATORS.split(telling.casefold())
    return frozenset(word for word in words if len(word) >= _SHORTEST_WORD)


def short_hash(name: str) -> str:
    """Eight letters that are always the same for a name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_HASH_LENGTH].translate(_LETTERS)


def discreet(name: str, private: Iterable[str] = ()) -> str:
    """A folder's name, or `study-` and a short hash of it where it tells who somebody is."""
    return f"study-{short_hash(name)}" if tells_who(name, private) else name


def discreet_file(name: str, private: Iterable[str] = (), *, kind: str = "file") -> str:
    """A file's name, or `<kind>-`, a short hash and the suffix where it tells who somebody is."""
    if not tells_who(name, private):
        return name
    suffix = next((end for end in _SUFFIXES if name.casefold().endswith(end)), "")
    return f"{kind}-{short_hash(name)}{suffix}"


def renamed(text: str, folder: str, study: str) -> str:
    """A text in which a folder's name gives way to the study's wherever it stands as a word."""
    if not folder or folder == study:
        return text
    pattern = rf"(?<![A-Za-z0-9]){re.escape(folder)}(?![A-Za-z0-9])"
    return re.sub(pattern, lambda _: study, text)
