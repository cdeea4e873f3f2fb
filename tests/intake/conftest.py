"""DICOM exams for the tests of what is found in them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fixtures.dicom import Series, study_series, write_series


@pytest.fixture(scope="session")
def made() -> Mapping[str, Series]:
    """The four series of a good exam, numbers 2 to 5."""
    return study_series()


@pytest.fixture(scope="session")
def exam(made: Mapping[str, Series], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good exam on disk, a folder per series; not to be changed."""
    folder = tmp_path_factory.mktemp("exams") / "case"
    for series in made.values():
        write_series(folder / f"S{series.number}", series)
    return folder


@pytest.fixture
def folder(exam: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(exam, tmp_path / "case")
    return tmp_path / "case"
