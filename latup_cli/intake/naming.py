"""What a study is called in outputs, which must not carry a patient's name or birth date."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from latup_cli.errors import StudyNameError

_TELLING = re.compile(r"\^|(?<!\d)\d{8}(?!\d)")
_HASH_LENGTH = 8
_USABLE = re.compile(r'(?![. ])[^<>:"/\\|?*\x00-\x1f]{1,120}(?<![. ])')  # on Windows too
_BIDS_FOLDER = re.compile(r"(sub|ses)-[A-Za-z0-9]+")


def study_name(folder: Path) -> str:
    """The folder's name; for BIDS `sub-X[_ses-Y]`; a short hash where it tells who it is.

    Names with `^` (DICOM person names) or a run of eight digits (dates) are replaced.
    """
    resolved = folder.resolve()
    parts = [*resolved.parts[1:]]
    if parts and parts[-1] == "anat":
        parts.pop()
    name = parts[-1] if parts else "study"
    if name.startswith("ses-") and len(parts) > 1 and _BIDS_FOLDER.fullmatch(parts[-2]):
        name = f"{parts[-2]}_{name}"
    return anonymous(name)


def checked_name(name: str) -> str:
    """A name that the person chose, if files on every system can be called by it.

    Raises:
        StudyNameError: If it is empty, too long, or would lead to another folder.
    """
    if _USABLE.fullmatch(name) is None:
        raise StudyNameError(name)
    return name


def anonymous(name: str) -> str:
    """The name itself, or a short hash of it where it could identify the patient."""
    if _TELLING.search(name) is None:
        return name
    return "study-" + hashlib.sha256(name.encode("utf-8")).hexdigest()[:_HASH_LENGTH]
