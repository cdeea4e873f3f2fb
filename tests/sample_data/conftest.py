"""The committed sample, and the scripts that made it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from latup_cli.imaging.nifti import NiftiImage, read

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
NAME = "LATUP-SAMPLE-001"
PATIENT = SAMPLE_DATA / "brats-like" / NAME


@pytest.fixture(scope="session")
def patient() -> dict[str, NiftiImage]:
    """Modality, or "seg", to the committed file."""
    suffixes = ("t1", "t1ce", "t2", "flair", "seg")
    return {suffix: read(PATIENT / f"{NAME}_{suffix}.nii.gz") for suffix in suffixes}


@pytest.fixture(scope="session")
def make_brats_like() -> ModuleType:
    """The script that makes the sample; it needs scipy, which nilearn brings."""
    return _script("make_brats_like")


@pytest.fixture(scope="session")
def make_raw_like() -> ModuleType:
    """The script that makes the raw study; it needs scipy, which nilearn brings."""
    return _script("make_raw_like")


@pytest.fixture(scope="session")
def measure_levels() -> ModuleType:
    """The script that measures how subjects look; it needs scipy, which nilearn brings."""
    return _script("measure_levels")


def _script(name: str) -> ModuleType:
    pytest.importorskip("nilearn")
    if str(SAMPLE_DATA) not in sys.path:
        sys.path.append(str(SAMPLE_DATA))
    module: ModuleType = pytest.importorskip(name)
    return module
