"""Where DICOM files may lie; loads no DICOM library, for most studies are not DICOM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from latup_cli.errors import TooManyFilesError
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.intake.folder import REPORT

MOST_FILES = 200_000
"""More are no patient's exam but a whole disk, which would be read for minutes."""


def holds_dicom(folder: Path) -> bool:
    """Whether any file at any depth is DICOM."""
    return any(is_dicom(path) for path in dicom_places(folder))


def dicom_places(folder: Path) -> Iterator[Path]:
    """Files that could be DICOM, at any depth and in order; not beside reports of ours.

    Raises:
        TooManyFilesError: If there are more than any study has.
    """
    seen = 0
    for place, folders, names in os.walk(folder):
        seen += len(names)
        if seen > MOST_FILES:
            raise TooManyFilesError(MOST_FILES)
        if any(name.endswith(REPORT) for name in names):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
