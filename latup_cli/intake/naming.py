"""What studies and files are called in outputs: nobody's name, and a name on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from latup_cli.domain.privacy import (
    discreet,
    discreet_file,
    private_words,
    renamed,
    short_hash,
    tells_who,
)
from latup_cli.errors import StudyNameError

MOST_CHARACTERS = 120
MOST_BYTES = 180
"""In UTF-8. Systems allow 255, and `_probabilities.nii.gz` and a temporary prefix come on top."""

_BIDS_FOLDER = re.compile(r"(sub|ses)-[A-Za-z0-9]+")
# what Windows forbids, controls, line separators, and marks that turn the reading direction
_UNUSABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+')
_EDGES = re.compile(r"^[\s.-]+|[\s.-]+$")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE
)


def study_name(folder: Path, private: Iterable[str] = ()) -> str:
    """The folder's name; for BIDS `sub-X[_ses-Y]`; a short hash where it tells who it is.

    What cannot be a file's name on some system is replaced, and a hash keeps the results of
    two such folders apart.

    Args:
        folder: Of the study.
        private: Words of its DICOM tags that tell who the patient is, in lower case.
    """
    parts = [*folder.resolve().parts[1:]]
    if parts and parts[-1] == "anat":
        parts.pop()
    name = parts[-1] if parts else "study"
    if name.startswith("ses-") and len(parts) > 1 and _BIDS_FOLDER.fullmatch(parts[-2]):
        name = f"{parts[-2]}_{name}"
    return outward(name, private)


def outward(name: str, private: Iterable[str] = ()) -> str:
    """A name as outputs may carry it: discreet, and usable on every system."""
    name = discreet(unicodedata.normalize("NFC", name), private)
    if _is_usable(name):
        return name
    cleaned = _UNUSABLE.sub("-", name)[: MOST_CHARACTERS // 2]
    while len(_utf8(cleaned)) > MOST_BYTES // 2:
        cleaned = cleaned[:-1]
    cleaned = _EDGES.sub("", _RESERVED.sub(r"\1-", cleaned))
    if not cleaned or tells_who(cleaned):  # a date with colons, say, is one with hyphens now
        cleaned = "study"
    return f"{cleaned}-{short_hash(name)}"


def checked_name(name: str) -> str:
    """A name that the person chose, if files on every system can be called by it.

    Raises:
        StudyNameError: If it is empty, too long, reserved, or would lead to another folder.
    """
    if not _is_usable(name):
        raise StudyNameError(name)
    return name


def same_on_some_system(one: str, other: str) -> bool:
    """Whether two file names are one where letter case or accents' encoding do not count."""
    first, second = (unicodedata.normalize("NFC", name.casefold()) for name in (one, other))
    return first == second


def shown(path: Path, study: str, kind: str = "file") -> Path:
    """The file name that people may see, without what tells who the patient is.

    Args:
        path: The file.
        study: What the study is called in outputs; stands in for its folder's name.
        kind: What a hash is introduced by where the name tells too much.
    """
    folder = path.absolute().parent
    name = renamed(path.name, folder.name, study) if tells_who(folder.name) else path.name
    return Path(discreet_file(name, private_words(folder), kind=kind))


def shown_place(path: Path) -> Path:
    """A place as it was typed, or only its last name, made discreet, if the way there tells."""
    if any(tells_who(part) for part in path.parts):
        return Path(discreet(path.name))
    return path


def _is_usable(name: str) -> bool:
    return (
        0 < len(name) <= MOST_CHARACTERS
        and len(_utf8(name)) <= MOST_BYTES
        and _UNUSABLE.search(name) is None
        and _RESERVED.match(name) is None
        and name.strip() == name.strip(" .") == name
    )


def _utf8(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
