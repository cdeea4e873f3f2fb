"""The label scheme that our masks carry in their header."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Extension

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap
from latup_cli.imaging import nifti
from latup_cli.labels import SCHEMES


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str, suffix: str) -> None:
    """Every scheme survives the way through a file."""
    path = tmp_path / f"p{suffix}"
    labels = LabelMap(
        np.zeros((4, 3, 5), dtype=np.uint8), Grid((4, 3, 5), np.eye(4)), SCHEMES[name]
    )
    nifti.write_labels(path, labels, SpatialCodes(1, 1))
    assert nifti.read_labels(path).label_scheme == name


@pytest.mark.parametrize(
    "note",
    [b"", b"labels by hand", b"\xff\xfe\x00", b"[1, 2]", b'{"label_scheme": 4}', b"[" * 100_000],
)
def test_other_programs_notes_say_nothing(tmp_path: Path, note: bytes) -> None:
    """Extensions of others, binary and absurd ones too, declare no scheme and do no harm."""
    image = nib.Nifti1Image(np.zeros((4, 3, 5), dtype=np.uint8), np.eye(4))
    image.header.extensions.append(Nifti1Extension(6, note))
    nib.save(image, tmp_path / "p.nii.gz")
    assert nifti.read_labels(tmp_path / "p.nii.gz").label_scheme == ""
