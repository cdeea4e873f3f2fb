"""The preview shows the tumor where it is, the right way round, to scale, and to everyone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.errors import GeometryError, OutputError
from latup_cli.imaging.png import typeface, write_png
from latup_cli.labels import SCHEMES, Tissue
from latup_cli.reporting.drawing import shortened
from latup_cli.reporting.outlines import outlines
from latup_cli.reporting.preview import (
    COLORS,
    draw_preview,
    write_preview,
)
from latup_cli.reporting.slices import PLANES, scene

ORDERS = [
    "".join(codes)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for codes in itertools.product(*axes)
]
AXIAL = PLANES[0]

# Linear RGB as seen with no protan, deutan or tritan cones: Machado, Oliveira and Fernandes 2009,
# severity 1.0.
CONES = {
    "typical": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ_FROM_RGB = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


@pytest.fixture(scope="module")
def picture(images: dict[str, Volume], labels: LabelMap, brain: Mask) -> npt.NDArray[np.uint8]:
    """The preview of the small study."""
    return draw_preview(images, labels, brain, title="study")


def turned(
    order: str, images: dict[str, Volume], labels: LabelMap, brain: Mask
) -> tuple[dict[str, Volume], LabelMap, Mask]:
    """The same study stored in another axis order."""
    turn = reorientation(labels.grid, order)
    grid = turn.grid(labels.grid)
    return (
        {name: Volume(turn.apply(image.data), grid) for name, image in images.items()},
        LabelMap(turn.apply(labels.data), grid, labels.scheme),
        Mask(turn.apply(brain.data), grid),
    )


@pytest.mark.parametrize("order", ["RAS", "IAR"])
def test_axis_order_changes_no_pixel(
    order: str,
    picture: npt.NDArray[np.uint8],
    images: dict[str, Volume],
    labels: LabelMap,
    brain: Mask,
) -> None:
    """A study stored in another axis order looks the same to the last pixel."""
    other = draw_preview(*turned(order, images, labels, brain), title="study")
    np.testing.assert_array_equal(other, picture)


@pytest.mark.parametrize("order", ORDERS)
def test_axis_order_changes_no_slice(
    order: str, images: dict[str, Volume], labels: LabelMap, brain: Mask
) -> None:
    """All 48 axis orders lead to the same slices, at the same place, in the same shades."""
    one, other = scene(images, labels, brain), scene(*turned(order, images, labels, brain))
    for plane in PLANES:
        index = one.richest_slice(plane)
        assert other.richest_slice(plane) == index
        assert other.place(plane, index) == one.place(plane, index)
        assert other.size_mm(plane) == one.size_mm(plane)
        for modality in images:
            np.testing.assert_array_equal(
                other.gray(modality, plane, index), one.gray(modality, plane, index)
            )
        for tissue in Tissue:
            np.testing.assert_array_equal(
                other.mask(tissue, plane, index), one.mask(tissue, plane, index)
            )


def test_right_is_left_and_up_is_up(labels: LabelMap, brain: Mask, grid: Grid) -> None:
    """What lies right, in front and on top is at the upper left of every picture."""
    data = np.zeros_like(labels.data)
    data[3, 3, 12] = 2  # the grid is LPS: low i is right, low j is front, high k is top
    shown = scene({}, LabelMap(data, grid, labels.scheme), brain)
    for plane in PLANES:
        mask = shown.mask(Tissue.ED, plane, shown.richest_slice(plane))
        row, column = np.argwhere(mask)[0]
        assert row < mask.shape[0] / 2
        assert column < mask.shape[1] / 2


def test_slice_has_the_largest_area(labels: LabelMap, brain: Mask, grid: Grid) -> None:
    """Of several slices with tumor, the one with most of it is shown."""
    data = labels.data.copy()
    data[10:14, 10:14, 11] = 2  # 16 voxels more in one axial slice, apart from the others
    data[10, 10, 7] = 2
    shown = scene({}, LabelMap(data, grid, labels.scheme), brain)
    assert shown.grid.shape == grid.shape  # the margin reaches the edges, so indices agree
    assert shown.richest_slice(AXIAL) == 7


def test_without_tumor_the_brains_center_is_shown(brain: Mask, grid: Grid) -> None:
    """The slices then go through the middle of the brain, and the legend says so."""
    none = LabelMap(np.zeros(grid.shape, dtype=np.uint8), grid, SCHEMES["brats2021"])
    shown = scene({}, none, brain)
    for plane in PLANES:
        weights = plane.sums(shown.brain)
        inside = np.flatnonzero(weights)
        assert abs(shown.richest_slice(plane) - (inside[0] + inside[-1]) / 2) <= 0.5


def test_tiles_keep_millimeters(images: dict[str, Volume], labels: LabelMap, brain: Mask) -> None:
    """Slices are as wide and high as in the patient, whatever the spacing."""
    shown = scene(images, labels, brain)
    for plane in PLANES:
        rows, columns = shown.gray("t1", plane, 0).shape
        width, height = shown.size_mm(plane)
        assert width == pytest.approx(columns * shown.grid.spacing_mm[plane.across])
        assert height == pytest.approx(rows * shown.grid.spacing_mm[plane.down])


def test_outlines_leave_the_inside_alone() -> None:
    """A line lies within its tissue along the border and nowhere else."""
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, 5:15] = True
    rim = outlines({Tissue.ED: mask}, (200, 200), width=1.5)[Tissue.ED]
    assert rim[100, 50] == 1.0
    assert rim[70:130, 70:130].max() == 0.0
    assert rim[:45].max() == 0.0
    assert 0.9 < rim[100, 40:60].sum() / 1.5 < 1.4


def test_outlines_show_a_single_voxel() -> None:
    """The smallest finding is not smoothed away."""
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    rim = outlines({Tissue.ET: mask}, (18, 18), width=1.25)[Tissue.ET]
    assert rim.sum() > 2.0


def test_outlines_of_neighbors_do_not_cross() -> None:
    """Two tissues that touch have their lines side by side: no pixel is covered twice."""
    left = np.zeros((12, 12), dtype=bool)
    left[2:10, 2:6] = True
    right = np.zeros((12, 12), dtype=bool)
    right[2:10, 6:10] = True
    rims = outlines({Tissue.ET: left, Tissue.ED: right}, (100, 100), width=1.5)
    assert (rims[Tissue.ET] + rims[Tissue.ED]).max() <= 1.0
    assert rims[Tissue.ET][50].sum() > 2.0


def test_colors_of_all_tissues_are_drawn(
    picture: npt.NDArray[np.uint8],
) -> None:
    """The legend and the pictures show every tissue in its color."""
    for color in COLORS.values():
        assert _count(picture[140:], color) > 20
        assert _count(picture[:130], color) >= 28 * 4


def test_no_tumor_draws_no_outline(images: dict[str, Volume], brain: Mask, grid: Grid) -> None:
    """Without a tumor the pictures stay gray."""
    none = LabelMap(np.zeros(grid.shape, dtype=np.uint8), grid, SCHEMES["brats2021"])
    picture = draw_preview(images, none, brain, title="study")[140:]
    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize("cones", CONES)
def test_colors_suit_color_blind_readers(cones: str) -> None:
    """Lines differ from each other and from gray by far more than the eye can see (2 in Lab)."""
    seen = [_lab(color, CONES[cones]) for color in COLORS.values()]
    apart = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 25
    assert min(float(np.hypot(*lab[1:])) for lab in seen) > 20


def test_flat_image_is_shown(labels: LabelMap, brain: Mask, grid: Grid) -> None:
    """An image of one intensity is no reason to fail."""
    flat = Volume(np.full(grid.shape, 7.0, dtype=np.float32), grid)
    gray = scene({"t1": flat}, labels, brain).gray("t1", AXIAL, 5)
    assert np.isfinite(gray).all()


def test_long_titles_are_cut() -> None:
    """A name that is too long ends in dots, and fits; one that fits is left alone."""
    font = typeface(30)
    cut = shortened("long name " * 40, font, 500)
    assert cut.startswith("long name long")
    assert cut.endswith("...")
    assert 450 < font.getlength(cut) <= 500
    assert shortened("two\nlines", font, 500) == "two lines"


def test_png_is_written_whole(
    tmp_path: Path,
    picture: npt.NDArray[np.uint8],
    images: dict[str, Volume],
    labels: LabelMap,
    brain: Mask,
) -> None:
    """The file is a PNG of the drawn pixels, and nothing is left beside it."""
    path = tmp_path / "new" / "study_preview.png"
    write_preview(path, images, labels, brain, title="study")
    with Image.open(path) as stored:
        assert stored.format == "PNG"
        np.testing.assert_array_equal(np.asarray(stored), picture)
    assert list(path.parent.iterdir()) == [path]


def test_unwritable_png_is_an_output_error(tmp_path: Path) -> None:
    """A folder that cannot be made is reported with the file's name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"p\.png"):
        write_png(tmp_path / "file" / "p.png", np.zeros((2, 2, 3), dtype=np.uint8))


def test_other_grid_is_refused(images: dict[str, Volume], labels: LabelMap, brain: Mask) -> None:
    """Outlines are never drawn on an image of another place."""
    moved = labels.grid.ras_from_voxel.copy()
    moved[0, 3] += 5.0
    elsewhere = Volume(images["t2"].data, Grid(labels.grid.shape, moved))
    with pytest.raises(GeometryError):
        draw_preview(images | {"t2": elsewhere}, labels, brain, title="study")


def test_empty_brain_is_refused(images: dict[str, Volume], labels: LabelMap) -> None:
    """Without a brain there is nothing to window or to crop to."""
    nothing = Mask(np.zeros(labels.grid.shape, dtype=bool), labels.grid)
    with pytest.raises(ValueError, match="empty brain"):
        draw_preview(images, labels, nothing, title="study")


def _count(picture: npt.NDArray[np.uint8], color: tuple[int, int, int]) -> int:
    """Pixels of nearly this color."""
    return int((np.abs(picture.astype(int) - color).max(axis=-1) < 25).sum())


def _lab(color: tuple[int, int, int], cones: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIE L*a*b* of an sRGB color as these eyes see it."""
    share = np.array(color) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(cones @ linear, 0.0, 1.0)
    xyz = XYZ_FROM_RGB @ seen / XYZ_FROM_RGB.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
