"""The registration sheet shows misalignment where it is, the right way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError, OutputError
from latup_cli.imaging.png import typeface
from latup_cli.reporting.drawing import wrapped
from latup_cli.reporting.edges import edges
from latup_cli.reporting.registration_sheet import (
    _checkered,
    _outlined,
    draw_registration_sheet,
    write_registration_sheet,
)

NOTES = {"t1": "mutual information 0.3 to 0.6\nmoved 3.0 mm", "t2": "turned 2.0 degrees"}


def draw(images: dict[str, Volume], brain: Mask, notes: dict[str, str] | None = None) -> np.ndarray:
    """The sheet of T1 and T2."""
    aligned = {modality: images[modality] for modality in ("t1", "t2")}
    notes = NOTES if notes is None else notes
    return draw_registration_sheet(images["t1ce"], aligned, brain, title="study", notes=notes)


@pytest.mark.parametrize("order", ["RAS", "SPL", "AIR", "PRI"])
def test_axis_order_changes_nothing(images: dict[str, Volume], brain: Mask, order: str) -> None:
    """However an image is stored, the patient's right is at the left of the sheet."""
    turn = reorientation(brain.grid, order)
    grid = turn.grid(brain.grid)
    turned = {name: Volume(turn.apply(image.data), grid) for name, image in images.items()}
    again = draw(turned, Mask(turn.apply(brain.data), grid))
    np.testing.assert_array_equal(again, draw(images, brain))


def test_a_bright_left_side_is_on_the_right(images: dict[str, Volume], brain: Mask) -> None:
    """In the axial and coronal pictures of a modality."""
    away = np.indices(brain.data.shape)[0]  # stored LPS: i grows to the left
    level = np.where(away > brain.data.shape[0] // 2, 900, 100)
    data = np.where(brain.data, level, 0).astype(np.float32)
    bright = {**images, "t1": Volume(data, brain.grid)}
    sheet = draw(bright, brain, {}).astype(int)
    flat = {**images, "t1": Volume(data[::-1].copy(), brain.grid)}
    mirrored = draw(flat, brain, {}).astype(int)
    changed = np.abs(sheet - mirrored).sum(axis=2) > 0
    columns = np.flatnonzero(changed.any(axis=0))
    last = columns[columns > 1150]  # pictures of edges over the modality
    axial = sheet[:, last[0] : last[0] + 120].sum(axis=2)[changed[:, last[0] : last[0] + 120]]
    assert (
        axial.mean()
        < mirrored[:, last[0] : last[0] + 120]
        .sum(axis=2)[changed[:, last[0] : last[0] + 120]]
        .mean()
    )


def test_numbers_stand_beside_the_pictures(images: dict[str, Volume], brain: Mask) -> None:
    """Notes change the left margin and nothing else."""
    changed = np.flatnonzero((draw(images, brain) != draw(images, brain, {})).any(axis=(0, 2)))
    assert changed.size > 0
    assert changed.max() < 24 + 270


def test_every_modality_has_its_row(images: dict[str, Volume], brain: Mask) -> None:
    """The sheet grows by a row for each."""
    one = draw_registration_sheet(
        images["t1ce"], {"t1": images["t1"]}, brain, title="study", notes={}
    )
    two = draw(images, brain)
    three = draw_registration_sheet(
        images["t1ce"],
        {name: images[name] for name in ("t1", "t2", "flair")},
        brain,
        title="study",
        notes={},
    )
    assert one.shape[1] == two.shape[1] == three.shape[1] == 2000
    assert three.shape[0] - two.shape[0] == two.shape[0] - one.shape[0] > 0


def test_squares_take_turns() -> None:
    """Half of a checkerboard is the T1ce in gray, half the modality in blue."""
    fixed = np.full((144, 108), 0.25, dtype=np.float32)
    moved = np.full((144, 108), 0.75, dtype=np.float32)
    picture = _checkered(fixed, moved, 1.0).astype(int)
    gray = picture[:, :, 0] == picture[:, :, 2]
    assert set(picture[gray].ravel().tolist()) == {64}
    assert (picture[~gray][:, 2] > picture[~gray][:, 0]).all()
    assert np.count_nonzero(gray) == gray.size // 2
    assert gray[0, 0] == gray[19, 19] != gray[0, 19]


def test_edges_lie_where_the_gray_changes() -> None:
    """Along the border of a disk, and nowhere else; specks are left out."""
    away = np.hypot(*(axis - 39.5 for axis in np.indices((80, 80))))
    gray = (away < 20).astype(np.float32)
    gray[5, 5] = 1.0
    found = edges(gray, np.ones(gray.shape, dtype=bool), blur=1.5, shortest=30)
    assert np.abs(away[found] - 20).max() < 1.5
    angles = np.arctan2(*(np.argwhere(found) - 39.5).T)
    assert np.diff(np.sort(angles)).max() < 0.2
    nowhere = np.zeros(gray.shape, dtype=bool)
    assert not edges(gray, nowhere, blur=1.5, shortest=1).any()
    assert not edges(np.zeros_like(gray), ~nowhere, blur=1.5, shortest=1).any()


def test_edges_are_those_of_the_reference() -> None:
    """They stay where they are when the modality moves away under them."""
    away = np.hypot(*(axis - 39.5 for axis in np.indices((80, 80))))
    fixed = (away < 20).astype(np.float32)
    moved = np.asarray(ndimage.shift(fixed, (0, 6)), dtype=np.float32)
    brain = away < 35
    first, second = (_outlined(fixed, image, brain, 1.0) for image in (fixed, moved))
    orange = [
        (picture[:, :, 0].astype(int) - picture[:, :, 2]) > 100 for picture in (first, second)
    ]
    np.testing.assert_array_equal(*orange)
    assert orange[0].any()


def test_lines_are_broken_between_words() -> None:
    """A long note goes on in the next line; a word that is too long is cut."""
    lines = wrapped("one two three four\n\nfive", typeface(17), 90)
    assert " ".join(lines).split() == ["one", "two", "three", "four", "five"]
    assert all(typeface(17).getlength(line) <= 90 for line in lines)
    assert wrapped("x" * 80, typeface(17), 90)[0].endswith("...")


def test_what_does_not_fit_is_refused(images: dict[str, Volume], brain: Mask) -> None:
    """Another grid, an empty brain and nothing aligned are errors of the caller."""
    affine = brain.grid.ras_from_voxel.copy()
    affine[0, 3] += 3.0
    moved = {**images, "t2": Volume(images["t2"].data, Grid(brain.grid.shape, affine))}
    with pytest.raises(GeometryError):
        draw(moved, brain)
    with pytest.raises(ValueError, match="empty"):
        draw(images, Mask(np.zeros_like(brain.data), brain.grid))
    with pytest.raises(ValueError, match="aligned"):
        draw_registration_sheet(images["t1ce"], {}, brain, title="study", notes={})


def test_the_file_is_a_png(tmp_path: Path, images: dict[str, Volume], brain: Mask) -> None:
    """It holds what was drawn; a folder that is a file is refused."""
    aligned = {modality: images[modality] for modality in ("t1", "t2")}
    path = tmp_path / "study_registration.png"
    write_registration_sheet(path, images["t1ce"], aligned, brain, title="study", notes=NOTES)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), draw(images, brain))
    with pytest.raises(OutputError):
        write_registration_sheet(
            path / "x.png", images["t1ce"], aligned, brain, title="study", notes=NOTES
        )
