"""Remove what a run that was killed has left half-written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_STAGE = re.compile(r"\.[0-9a-f]{12}(\..*)?")
"""Hidden folders and files that `imaging.atomic` writes to before it renames them."""


def remove_leftovers(output: Path, names: Iterable[str]) -> None:
    """Remove hidden temporary files of these patients, and folders that hold nothing else.

    Args:
        output: Folder of all results.
        names: Patients that nobody works on.
    """
    for folder in (output / name for name in names):
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if _STAGE.fullmatch(path.name):
                _remove(path)
        if not any(folder.iterdir()):
            folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
