"""One picture of a segmentation for a radiologist: three planes by four modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from latup_cli.domain.report import NOTICE, Volumes
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.imaging.png import typeface, write_png
from latup_cli.labels import MODALITIES
from latup_cli.reporting.colors import COLORS
from latup_cli.reporting.drawing import (
    CONVENTION,
    GRAY,
    HEADINGS,
    WHITE,
    Frame,
    colored,
    draw_directions,
    draw_scale_bar,
    enlarged,
    middle_of,
    shortened,
)
from latup_cli.reporting.outlines import outlines
from latup_cli.reporting.slices import PLANES, Plane, Scene, scene
from latup_cli.reporting.summary import format_ml
from latup_cli.reporting.volumes import REGION_NAMES, measure

_WIDTH = 1600
_EDGE = 24  # around everything
_GAP = 16  # between tiles
_LETTERS = 14  # around the picture in a tile, for the letters at its edges
_HEADER = 132
_FOOTER = 48
_TITLE_Y = 34
_LEGEND_Y = 76
_LINE = 1.25


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where tiles lie; every slice has the same scale.

    Attributes:
        pixels_per_mm: The scale.
        heights: Of the rows of tiles in pixels.
    """

    pixels_per_mm: float
    heights: tuple[int, ...]

    @property
    def height(self) -> int:
        """Of the whole picture."""
        return _HEADER + sum(self.heights) + _GAP * (len(self.heights) - 1) + _FOOTER

    def tile(self, row: int, column: int) -> Frame:
        """Place of a slice and its letters."""
        left = _EDGE + column * (_TILE_WIDTH + _GAP)
        top = _HEADER + sum(self.heights[:row]) + row * _GAP
        return left, top, left + _TILE_WIDTH, top + self.heights[row]

    def picture(self, row: int, column: int, size_mm: tuple[float, float]) -> Frame:
        """Place of a slice of this size in the middle of its tile."""
        width, height = (max(1, round(mm * self.pixels_per_mm)) for mm in size_mm)
        return middle_of(self.tile(row, column), width, height)


_TILE_WIDTH = (_WIDTH - 2 * _EDGE - (len(MODALITIES) - 1) * _GAP) // len(MODALITIES)


def write_preview(
    path: Path, images: Mapping[str, Volume], labels: LabelMap, brain: Mask, *, title: str
) -> None:
    """Write the picture of `draw_preview` as PNG.

    Raises:
        OutputError: If it cannot be written.
        GeometryError: If images, labels and brain do not lie on one grid.
        ValueError: If the brain is empty.
    """
    write_png(path, draw_preview(images, labels, brain, title=title))


def draw_preview(
    images: Mapping[str, Volume], labels: LabelMap, brain: Mask, *, title: str
) -> npt.NDArray[np.uint8]:
    """Slices through the tumor's largest extent with its outlines, and its volumes.

    The result does not depend on the axis order of the input.

    Args:
        images: Each of t1, t1ce, t2, flair on the grid of `labels`.
        labels: The segmentation.
        brain: The brain on the same grid.
        title: The study's name.

    Returns:
        (rows, 1600, 3) red, green, blue.

    Raises:
        GeometryError: If images, labels and brain do not lie on one grid.
        ValueError: If the brain is empty.
    """
    shown = scene(images, labels, brain)
    layout = _laid_out(shown)
    canvas = Image.new("RGB", (_WIDTH, layout.height))
    for row, plane in enumerate(PLANES):
        _draw_row(canvas, shown, layout, row, plane)
    pen = ImageDraw.Draw(canvas)
    _draw_header(pen, title, measure(labels, brain))
    _draw_headings(pen, layout)
    _draw_footer(pen, layout.height)
    return np.asarray(canvas)


def axial_tile(modality: str) -> Frame:
    """Where the axial slice of a modality lies in any picture of `draw_preview`.

    A square as wide as a tile: exact where the brain is longer than wide, and else with the
    top of the next row at its lower edge.
    """
    return _Layout(1.0, (_TILE_WIDTH,)).tile(0, MODALITIES.index(modality))


def _laid_out(shown: Scene) -> _Layout:
    """The scale at which the widest slice fills its tile, and the heights that follow."""
    sizes = [shown.size_mm(plane) for plane in PLANES]
    scale = (_TILE_WIDTH - 2 * _LETTERS) / max(width for width, _ in sizes)
    return _Layout(scale, tuple(round(height * scale) + 2 * _LETTERS for _, height in sizes))


# --- tiles --------------------------------------------------------------------------------


def _draw_row(canvas: Image.Image, shown: Scene, layout: _Layout, row: int, plane: Plane) -> None:
    index = shown.richest_slice(plane)
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = layout.picture(row, 0, shown.size_mm(plane))
    size = (right - left, bottom - top)
    tissues = {tissue: shown.mask(tissue, plane, index) for tissue in COLORS}
    rims = outlines(tissues, size, width=_LINE)
    lines = [(COLORS[tissue], cover) for tissue, cover in rims.items()]
    for column, modality in enumerate(MODALITIES):
        gray = enlarged(shown.gray(modality, plane, index), size)
        frame = layout.picture(row, column, shown.size_mm(plane))
        canvas.paste(Image.fromarray(colored(gray, lines)), frame)
        draw_directions(pen, frame, plane.edges)
    _draw_place(pen, layout, row, f"{plane.name}  {shown.place(plane, index)}")


def _draw_place(pen: ImageDraw.ImageDraw, layout: _Layout, row: int, text: str) -> None:
    """Plane and position at the lower left of a row, and a scale bar above them."""
    left, _, _, bottom = layout.tile(row, 0)
    draw_scale_bar(pen, (left, bottom - 30), layout.pixels_per_mm, _TILE_WIDTH / 6)
    pen.text((left, bottom), text, WHITE, typeface(15), "ld")


# --- text ---------------------------------------------------------------------------------


def _draw_header(pen: ImageDraw.ImageDraw, title: str, volumes: Volumes) -> None:
    """The study's name, and below it the colors with their volumes."""
    name = shortened(title, typeface(30), _WIDTH - 2 * _EDGE)
    pen.text((_EDGE, _TITLE_Y), name, WHITE, typeface(30), "lm")
    x = _EDGE
    for tissue, color in COLORS.items():
        volume = volumes[tissue.name]
        text = f"{volume.name} ({volume.region})  {format_ml(volume.volume_ml)} mL"
        pen.rectangle((x, _LEGEND_Y - 2, x + 27, _LEGEND_Y + 1), color)
        pen.text((x + 36, _LEGEND_Y), text, WHITE, typeface(18), "lm")
        x += 72 + round(typeface(18).getlength(text))
    pen.text((_WIDTH - _EDGE, _LEGEND_Y), _whole_tumor(volumes), WHITE, typeface(18), "rm")


def _whole_tumor(volumes: Volumes) -> str:
    whole = volumes["WT"]
    if whole.voxels == 0:
        return "no tumor was segmented"
    share = f"{whole.share_of_brain_percent:.1f} % of the brain"
    return f"{REGION_NAMES['WT']}  {format_ml(whole.volume_ml)} mL,  {share}"


def _draw_headings(pen: ImageDraw.ImageDraw, layout: _Layout) -> None:
    for column, modality in enumerate(MODALITIES):
        left, top, right, _ = layout.tile(0, column)
        pen.text(((left + right) // 2, top - 6), HEADINGS[modality], WHITE, typeface(18), "md")


def _draw_footer(pen: ImageDraw.ImageDraw, height: int) -> None:
    y = height - 18
    pen.text((_EDGE, y), NOTICE, GRAY, typeface(15), "lm")
    pen.text((_WIDTH - _EDGE, y), CONVENTION, GRAY, typeface(15), "rm")
