"""What lies in a study's folder: which files are images, and what their names say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from latup_cli.domain import result_names
from latup_cli.domain.study import FoundFile
from latup_cli.intake.rules import recognize

_SUFFIXES = (".nii.gz", ".nii", ".hdr.gz", ".hdr")

REPORT = f"_{result_names.REPORT}"
"""How the name of our own report ends."""

OTHER_FORMATS: Mapping[str, str] = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
"""Suffix to format, for images that have to be converted."""


def image_stem(path: Path) -> str | None:
    """A NIfTI file's name without its suffix; None for other files."""
    return _stem(path, _SUFFIXES)


def image_folder(folder: Path) -> Path:
    """The folder itself, or the `anat` of a BIDS subject, of a session, or of its only session."""
    if images(folder):
        return folder
    if (folder / "anat").is_dir():
        return folder / "anat"
    sessions = sorted(path for path in folder.glob("ses-*/anat") if path.is_dir())
    return sessions[0] if len(sessions) == 1 else folder


def images(folder: Path) -> list[Path]:
    """NIfTI files, by name; of a `.hdr/.img` pair the header.

    Hidden files and our own results are left out. Links that lead nowhere are not: to leave them
    out would hide why an image is missing.
    """
    files = _files(folder)
    ours = _our_results(files)
    return [path for path in files if image_stem(path) is not None and path.name not in ours]


def candidates(folder: Path, *, exclude: Iterable[Path] = ()) -> dict[str, list[FoundFile]]:
    """Meaning to the files whose names carry it, in the order of their names."""
    excluded = {os.path.realpath(path) for path in exclude}
    found: dict[str, list[FoundFile]] = {}
    for path in images(folder):
        recognized = recognize(image_stem(path) or "")
        if recognized is None or os.path.realpath(path) in excluded:
            continue
        found.setdefault(recognized.meaning, []).append(FoundFile(path, recognized.reason))
    return found


def in_another_format(folder: Path, modality: str) -> Path | None:
    """An image of this modality by its name, in a format that has to be converted."""
    for path in _files(folder):
        recognized = recognize(_stem(path, tuple(OTHER_FORMATS)) or "")
        if recognized is not None and recognized.meaning == modality:
            return path
    return None


def is_our_report(path: Path) -> bool:
    """Whether a file is the report of a segmentation, as we write it."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return isinstance(content, dict) and {"schema_version", "inputs"} <= content.keys()
    return False


def _our_results(files: Iterable[Path]) -> frozenset[str]:
    """The names that results have beside reports of ours, whether they are there or not."""
    reports = [path for path in files if path.name.endswith(REPORT) and is_our_report(path)]
    return frozenset(
        result_names.result_name(report.name.removesuffix(REPORT), ending)
        for report in reports
        for ending in result_names.ENDINGS
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path.is_file() or _leads_nowhere(path))
    )


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _stem(path: Path, suffixes: Iterable[str]) -> str | None:
    suffix = next((end for end in suffixes if path.name.casefold().endswith(end)), None)
    return None if suffix is None else path.name[: -len(suffix)]
