"""A library comes without what it would pull in, and nobody else notices."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from latup_cli.imaging.lean import without

UNUSED = "wsgiref.headers"


def test_what_is_left_out_cannot_be_imported_meanwhile() -> None:
    """Inside, the module is missing; afterwards it is there."""
    sys.modules.pop(UNUSED, None)
    with without(UNUSED), pytest.raises(ImportError):
        importlib.import_module(UNUSED)
    assert importlib.import_module(UNUSED).Headers


def test_what_was_there_before_stays() -> None:
    """A module that somebody has imported already is not taken from them."""
    before = importlib.import_module(UNUSED)
    with without(UNUSED):
        assert importlib.import_module(UNUSED) is before


def test_an_error_inside_leaves_nothing_behind() -> None:
    """After a failed import the module can be imported as ever."""
    sys.modules.pop(UNUSED, None)
    with pytest.raises(RuntimeError), without(UNUSED):
        raise RuntimeError
    assert importlib.import_module(UNUSED).Headers


@pytest.mark.parametrize(
    ("ours", "unused"),
    [
        ("latup_cli.imaging.nifti", ("pydicom", "requests")),
        ("latup_cli.inference.openvino_engine", ("openvino.tools.ovc", "requests")),
    ],
)
def test_reading_and_running_load_nothing_that_is_not_used(
    ours: str, unused: tuple[str, ...]
) -> None:
    """Neither NIfTI nor OpenVINO brings DICOM, model converters or a client for the web."""
    script = f"import sys, {ours}; sys.exit(' '.join({set(unused)!r} & sys.modules.keys()) or None)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
