"""Thumbnails of previews: the right tiles, and a clear word where there is no picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latup_cli.errors import UnreadableImageError
from latup_cli.reporting.preview import axial_tile, write_preview
from latup_cli.reporting.thumbnail import thumbnail
from tests.fixtures.finished import labeled_phantom


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preview of a phantom."""
    images, labels, brain = labeled_phantom()
    path = tmp_path_factory.mktemp("preview") / "a_preview.png"
    write_preview(path, images, labels, brain, title="a")
    return path


def test_it_is_a_small_jpeg(preview: Path) -> None:
    """Three hundred of them fit into a page."""
    data = thumbnail(preview)
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (292, 144))
    assert len(data) < 15_000


def test_it_shows_t1ce_and_flair(preview: Path, tmp_path: Path) -> None:
    """The left half comes from the T1ce of the first row, the right one from the FLAIR."""
    with Image.open(preview) as picture:
        painted = np.asarray(picture.convert("RGB")).copy()
    for modality, color in (("t1ce", (255, 0, 0)), ("flair", (0, 0, 255))):
        left, top, right, bottom = axial_tile(modality)
        painted[top:bottom, left:right] = color
    Image.fromarray(painted).save(tmp_path / "painted.png")
    with Image.open(io.BytesIO(thumbnail(tmp_path / "painted.png"))) as picture:
        small = np.asarray(picture.convert("RGB")).astype(float)
    assert np.abs(small[:, :140] - (255, 0, 0)).max() < 12
    assert np.abs(small[:, 152:] - (0, 0, 255)).max() < 12


def test_tiles_are_where_the_slices_are(preview: Path) -> None:
    """Inside a tile there is the whole axial slice, and beside it is black."""
    with Image.open(preview) as picture:
        gray = np.asarray(picture.convert("L")).astype(float)
    for modality in ("t1", "t1ce", "t2", "flair"):
        left, top, right, bottom = axial_tile(modality)
        inside = gray[top:bottom, left:right]
        assert (inside > 20).mean() > 0.1
        assert gray[bottom + 4 : bottom + 14, left:right].max() < 20
        assert gray[top:bottom, right : right + 16].max() < 20


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n", b"no picture"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A preview that is gone, cut off or something else raises an error of ours."""
    path = tmp_path / "a_preview.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImageError):
        thumbnail(path)
