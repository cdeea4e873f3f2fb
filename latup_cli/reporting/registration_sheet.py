"""One picture to judge a registration by eye: checkerboards, and edges drawn over each modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from latup_cli.domain.report import NOTICE
from latup_cli.domain.volume import Mask, Volume
from latup_cli.imaging.png import typeface, write_png
from latup_cli.reporting.colors import Color
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
    wrapped,
)
from latup_cli.reporting.edges import edges
from latup_cli.reporting.outlines import outlines
from latup_cli.reporting.slices import PLANES, Plane, Scene, scene

EDGE_COLOR: Color = (255, 150, 0)
BRAIN_COLOR: Color = (0, 210, 255)
_TINT: Color = (60, 150, 255)

_REFERENCE = "t1ce"
_MARGIN_MM = 6.0
_SQUARE_MM = 18.0
_BLUR_MM = 1.0
_SHORTEST_MM = 14.0  # the rim of a vessel is shorter
_TINTED = 0.3
_LINE = 1.25
_COVER = 0.85

_WIDTH = 2000
_EDGE = 24  # around everything
_GAP = 12  # between tiles
_LETTERS = 16  # around the picture in a tile
_TEXT_WIDTH = 270
_HEADER = 132
_FOOTER = 48
_ROW_GAP = 20
_LINE_HEIGHT = 24
_TITLE_Y = 34
_LEGEND_Y = 76
_KINDS = ("checkerboard: T1ce gray, the modality blue", "edges of the T1ce over the modality")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where tiles lie; every slice has the same scale.

    Attributes:
        pixels_per_mm: The scale.
        widths: Of the tiles of a row in pixels, one for each plane and kind of picture.
        row_height: In pixels.
        rows: How many.
    """

    pixels_per_mm: float
    widths: tuple[int, ...]
    row_height: int
    rows: int

    @property
    def height(self) -> int:
        """Of the whole picture."""
        return _HEADER + self.rows * (self.row_height + _ROW_GAP) - _ROW_GAP + _FOOTER

    def top(self, row: int) -> int:
        """Where a row begins."""
        return _HEADER + row * (self.row_height + _ROW_GAP)

    def tile(self, row: int, column: int) -> Frame:
        """Place of a slice and its letters."""
        left = _EDGE + _TEXT_WIDTH + sum(self.widths[:column]) + column * _GAP
        top = self.top(row)
        return left, top, left + self.widths[column], top + self.row_height


def write_registration_sheet(
    path: Path,
    reference: Volume,
    aligned: Mapping[str, Volume],
    brain: Mask,
    *,
    title: str,
    notes: Mapping[str, str],
) -> None:
    """Write the picture of `draw_registration_sheet` as PNG.

    Raises:
        OutputError: If it cannot be written.
        GeometryError: If the images and the brain do not lie on one grid.
        ValueError: If the brain is empty, or nothing was aligned.
    """
    picture = draw_registration_sheet(reference, aligned, brain, title=title, notes=notes)
    write_png(path, picture)


def draw_registration_sheet(
    reference: Volume,
    aligned: Mapping[str, Volume],
    brain: Mask,
    *,
    title: str,
    notes: Mapping[str, str],
) -> npt.NDArray[np.uint8]:
    """Three planes through the middle of the brain, one row for each modality.

    On the left T1ce and modality take turns in a checkerboard; on the right the edges of the
    T1ce and the outline of the brain lie over the modality. The result does not depend on the
    axis order of the input.

    Args:
        reference: The T1ce.
        aligned: Modality to its image, resampled to the grid of the T1ce.
        brain: The brain on the same grid.
        title: The study's name.
        notes: Modality to lines of text that stand beside it.

    Returns:
        (rows, 2000, 3) red, green, blue.

    Raises:
        GeometryError: If the images and the brain do not lie on one grid.
        ValueError: If the brain is empty, or nothing was aligned.
    """
    if not aligned:
        raise ValueError("no image was aligned")
    shown = scene({**aligned, _REFERENCE: reference}, None, brain, margin_mm=_MARGIN_MM)
    layout = _laid_out(shown, len(aligned))
    canvas = Image.new("RGB", (_WIDTH, layout.height))
    pen = ImageDraw.Draw(canvas)
    for row, modality in enumerate(aligned):
        _draw_row(canvas, shown, layout, row, modality)
        _draw_notes(pen, layout, row, modality, notes.get(modality, ""))
    _draw_header(pen, layout, title)
    _draw_footer(pen, layout.height)
    return np.asarray(canvas)


def _laid_out(shown: Scene, rows: int) -> _Layout:
    """The scale at which two sets of three planes fill the width."""
    sizes = [shown.size_mm(plane) for plane in PLANES]
    columns = 2 * len(sizes)
    letters = columns * 2 * _LETTERS + (columns - 1) * _GAP
    room = _WIDTH - 2 * _EDGE - _TEXT_WIDTH - letters
    scale = room / (2 * sum(width for width, _ in sizes))
    widths = [int(width * scale) + 2 * _LETTERS for width, _ in sizes]
    highest = round(max(height for _, height in sizes) * scale) + 2 * _LETTERS
    return _Layout(scale, (*widths, *widths), highest, rows)


# --- pictures -----------------------------------------------------------------------------


def _draw_row(canvas: Image.Image, shown: Scene, layout: _Layout, row: int, modality: str) -> None:
    pen = ImageDraw.Draw(canvas)
    for number, plane in enumerate(PLANES):
        index = shown.richest_slice(plane)
        size = _pixels(shown, plane, layout.pixels_per_mm)
        fixed, moved = (
            enlarged(shown.gray(name, plane, index), size) for name in (_REFERENCE, modality)
        )
        inside = shown.inside(plane, index)
        pictures = (
            _checkered(fixed, moved, layout.pixels_per_mm),
            _outlined(fixed, moved, inside, layout.pixels_per_mm),
        )
        for kind, picture in enumerate(pictures):
            frame = middle_of(layout.tile(row, number + kind * len(PLANES)), *size)
            canvas.paste(Image.fromarray(picture), frame)
            draw_directions(pen, frame, plane.edges)


def _pixels(shown: Scene, plane: Plane, pixels_per_mm: float) -> tuple[int, int]:
    """Size of a slice, across and down."""
    across, down = (max(1, round(mm * pixels_per_mm)) for mm in shown.size_mm(plane))
    return across, down


def _checkered(
    fixed: npt.NDArray[np.float32], moved: npt.NDArray[np.float32], pixels_per_mm: float
) -> npt.NDArray[np.uint8]:
    """Squares of one image and the other, with a corner of four squares in the middle."""
    square = _SQUARE_MM * pixels_per_mm
    row, column = (
        np.floor((np.arange(n) - n / 2) / square).astype(int)[:, np.newaxis] for n in fixed.shape
    )
    odd = (row + column.T) % 2 == 1
    tint = np.where(odd, _TINTED * moved, 0.0).astype(np.float32)
    return colored(np.where(odd, moved, fixed), [(_TINT, tint)])


def _outlined(
    fixed: npt.NDArray[np.float32],
    moved: npt.NDArray[np.float32],
    inside: npt.NDArray[np.bool_],
    pixels_per_mm: float,
) -> npt.NDArray[np.uint8]:
    size = (fixed.shape[1], fixed.shape[0])
    where = enlarged(inside.astype(np.float32), size) >= 0.5  # noqa: PLR2004  (half of a pixel)
    shortest = round(_SHORTEST_MM * pixels_per_mm)
    found = edges(fixed, where, blur=_BLUR_MM * pixels_per_mm, shortest=shortest)
    rim = outlines({"brain": inside}, size, width=_LINE)["brain"]
    cover = found.astype(np.float32) * _COVER
    return colored(moved, [(EDGE_COLOR, cover), (BRAIN_COLOR, rim)])


# --- text ---------------------------------------------------------------------------------


def _draw_notes(
    pen: ImageDraw.ImageDraw, layout: _Layout, row: int, modality: str, text: str
) -> None:
    """The modality's name, what is known in numbers, and a scale bar at the foot of the row."""
    y = layout.top(row) + _LETTERS
    pen.text((_EDGE, y), HEADINGS.get(modality, modality), WHITE, typeface(26), "la")
    y += 44
    for line in wrapped(text, typeface(17), _TEXT_WIDTH - 12):
        pen.text((_EDGE, y), line, WHITE, typeface(17))
        y += _LINE_HEIGHT
    bottom = layout.top(row) + layout.row_height
    draw_scale_bar(pen, (_EDGE, bottom - 30), layout.pixels_per_mm, _TEXT_WIDTH / 2)


def _draw_header(pen: ImageDraw.ImageDraw, layout: _Layout, title: str) -> None:
    name = shortened(f"{title}:  registration to T1ce", typeface(30), _WIDTH - 2 * _EDGE)
    pen.text((_EDGE, _TITLE_Y), name, WHITE, typeface(30), "lm")
    x = _EDGE
    legend = ((EDGE_COLOR, "edges of the T1ce"), (BRAIN_COLOR, "outline of the brain"))
    for color, text in legend:
        pen.rectangle((x, _LEGEND_Y - 2, x + 27, _LEGEND_Y + 1), color)
        pen.text((x + 36, _LEGEND_Y), text, WHITE, typeface(18), "lm")
        x += 72 + round(typeface(18).getlength(text))
    for kind, text in enumerate(_KINDS):
        left, top, _, _ = layout.tile(0, kind * len(PLANES))
        right = layout.tile(0, kind * len(PLANES) + len(PLANES) - 1)[2]
        pen.text(((left + right) // 2, top - 6), text, WHITE, typeface(18), "md")


def _draw_footer(pen: ImageDraw.ImageDraw, height: int) -> None:
    y = height - 18
    pen.text((_EDGE, y), NOTICE, GRAY, typeface(15), "lm")
    pen.text((_WIDTH - _EDGE, y), CONVENTION, GRAY, typeface(15), "rm")
