"""Whatever happens to a file's bytes, reading it gives an image or an error of ours."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.errors import ImageContentError, UnreadableImageError
from latup_cli.imaging.nifti import read

RAW = nib.Nifti1Image(
    np.random.default_rng(3).integers(0, 900, (9, 8, 7), dtype=np.int16), np.eye(4)
).to_bytes()
NIFTI_2 = nib.Nifti2Image(
    np.random.default_rng(3).integers(0, 900, (9, 8, 7), dtype=np.int16), np.eye(4)
).to_bytes()
HEADERS = {RAW: 352, NIFTI_2: 544}

changes = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 127, 128, 255])), max_size=6)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the damaged file lies."""
    return tmp_path_factory.mktemp("damage") / "x.nii.gz"


def _read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with contextlib.suppress(UnreadableImageError, ImageContentError):
        image = read(file)
        assert image.volume.data.shape == image.grid.shape


def _overwritten(content: bytes, reach: int, changes: list[tuple[float, int]]) -> bytes:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[int(place * (reach - 1))] = value
    return bytes(damaged)


@given(raw=st.sampled_from([RAW, NIFTI_2]), changes=changes)
@settings(max_examples=200, deadline=None)
def test_damaged_headers(raw: bytes, changes: list[tuple[float, int]], file: Path) -> None:
    """Overwritten header bytes end in an image or our error."""
    _read(file, _overwritten(raw, HEADERS[raw], changes))


def test_nibabel_keeps_silent(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nibabel remarks on damaged headers is not logged, so it does not reach the terminal."""
    for byte in range(40, HEADERS[RAW]):
        file.write_bytes(RAW[:byte] + b"\xff" + RAW[byte + 1 :])
        with contextlib.suppress(UnreadableImageError, ImageContentError):
            read(file)
    assert caplog.records == []


@given(changes=changes)
@settings(max_examples=100, deadline=None)
def test_damaged_compression(changes: list[tuple[float, int]], file: Path) -> None:
    """Overwritten bytes of a compressed file end in an image or our error."""
    zipped = gzip.compress(RAW, mtime=0)
    _read(file, _overwritten(zipped, len(zipped), changes))


@given(share=st.floats(0, 1, exclude_max=True), zipped=st.booleans())
@settings(max_examples=60, deadline=None)
def test_cut_files(share: float, zipped: bool, file: Path) -> None:
    """A file that lacks its end is always refused."""
    content = gzip.compress(RAW, mtime=0) if zipped else RAW
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableImageError):
        read(file)
