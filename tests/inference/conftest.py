"""A good model, for the tests that open or damage it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fixtures.models import hand_made_model


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a good model; not to be changed."""
    return hand_made_model(tmp_path_factory.mktemp("good"))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The same model, to be damaged."""
    return shutil.copytree(made, tmp_path / "model")
