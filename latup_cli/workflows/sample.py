"""`latup sample`: the sample study that comes with the package, and a copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from latup_cli.config import sample_root
from latup_cli.errors import SampleExistsError, SampleMissingError
from latup_cli.imaging.atomic import staging

SAMPLE = "LATUP-SAMPLE-001"

_SERIES = "brats-like"
_NOTICE = "NOTICE.md"


def sample_study() -> Path:
    """The folder of the sample study: t1, t1ce, t2, flair, and seg with the known answer.

    Raises:
        SampleMissingError: If it did not come with this installation.
    """
    folder = sample_root() / _SERIES / SAMPLE
    if not any(folder.glob("*.nii.gz")):
        raise SampleMissingError(folder)
    return folder


def write_sample(folder: Path) -> Path:
    """Copy the sample study, its known answer and its license notice.

    Args:
        folder: Where the study's own folder is made.

    Returns:
        The folder of the copy.

    Raises:
        SampleMissingError: If the sample did not come with this installation.
        SampleExistsError: If there is something of that name.
        OutputError: If it cannot be written.
    """
    source, target = sample_study(), folder / SAMPLE
    if target.exists():
        raise SampleExistsError(target)
    notice = sample_root() / _NOTICE
    with staging(target) as stage:
        for path in (*sorted(source.glob("*.nii.gz")), *([notice] if notice.is_file() else [])):
            shutil.copyfile(path, stage / path.name)
    return target
