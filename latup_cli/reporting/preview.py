"""One picture of a segmentation for a radiologist: three planes by four modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from latup_cli.domain.report import NOTICE, Volumes
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.imaging.png import typeface, write_png
from latup_cli.labels import MODALITIES, Tissue
from latup_cli.reporting.outlines import outlines
from latup_cli.reporting.slices import PLANES, Plane, Scene, scene
from latup_cli.reporting.summary import format_ml
from latup_cli.reporting.volumes import REGION_NAMES, measure

Color: TypeAlias = tuple[int, int, int]
Frame: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two exclusive."""

COLORS: Mapping[Tissue, Color] = MappingProxyType(
    {Tissue.ET: (255, 130, 0), Tissue.NCR: (205, 75, 255), Tissue.ED: (0, 210, 255)}
)
"""Lines in the order of the legend: orange, violet and cyan stay apart from each other and from
gray for readers with any of the three color blindnesses."""

_HEADINGS = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}
_CONVENTION = "Radiological convention: the patient's right is on the left."
_WHITE: Color = (240, 240, 240)
_GRAY: Color = (165, 165, 165)

_WIDTH = 1600
_EDGE = 24  # around everything
_GAP = 16  # between tiles
_LETTERS = 14  # around the picture in a tile, for the letters at its edges
_HEADER = 132
_FOOTER = 48
_TITLE_Y = 34
_LEGEND_Y = 76
_LINE = 1.25
_BARS_MM = (50, 20, 10, 5, 2, 1)
_MM_PER_CM = 10


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
        left, top, right, bottom = self.tile(row, column)
        width, height = (max(1, round(mm * self.pixels_per_mm)) for mm in size_mm)
        left, top = (left + right - width) // 2, (top + bottom - height) // 2
        return left, top, left + width, top + height


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
    for column, modality in enumerate(MODALITIES):
        gray = _enlarged(shown.gray(modality, plane, index), size)
        frame = layout.picture(row, column, shown.size_mm(plane))
        canvas.paste(Image.fromarray(_colored(gray, rims)), frame)
        _draw_edges(pen, frame, plane.edges)
    _draw_place(pen, layout, row, f"{plane.name}  {shown.place(plane, index)}")


def _enlarged(gray: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    smooth = Image.fromarray(gray).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth, dtype=np.float32), 0.0, 1.0)


def _colored(
    gray: npt.NDArray[np.float32], rims: Mapping[Tissue, npt.NDArray[np.float32]]
) -> npt.NDArray[np.uint8]:
    picture = np.repeat(gray[:, :, np.newaxis] * 255.0, 3, axis=2)
    for tissue, cover in rims.items():
        picture += cover[:, :, np.newaxis] * (np.array(COLORS[tissue]) - picture)
    return np.rint(picture).astype(np.uint8)


def _draw_edges(pen: ImageDraw.ImageDraw, frame: Frame, letters: str) -> None:
    """Directions just outside a picture: left, right, top, bottom."""
    left, top, right, bottom = frame
    x, y = (left + right) // 2, (top + bottom) // 2
    places = ((left - 3, y), (right + 3, y), (x, top), (x, bottom))
    for letter, place, anchor in zip(letters, places, ("rm", "lm", "md", "ma"), strict=True):
        pen.text(place, letter, _GRAY, typeface(15), anchor)


def _draw_place(pen: ImageDraw.ImageDraw, layout: _Layout, row: int, text: str) -> None:
    """Plane and position at the lower left of a row, and a scale bar above them."""
    left, _, _, bottom = layout.tile(row, 0)
    fitting = [mm for mm in _BARS_MM if mm * layout.pixels_per_mm <= _TILE_WIDTH / 6]
    length_mm = max(fitting, default=_BARS_MM[-1])
    end = left + round(length_mm * layout.pixels_per_mm)
    unit = f"{length_mm // _MM_PER_CM} cm" if length_mm >= _MM_PER_CM else f"{length_mm} mm"
    pen.rectangle((left, bottom - 30, end - 1, bottom - 28), _WHITE)
    pen.text((end + 8, bottom - 29), unit, _WHITE, typeface(15), "lm")
    pen.text((left, bottom), text, _WHITE, typeface(15), "ld")


# --- text ---------------------------------------------------------------------------------


def _draw_header(pen: ImageDraw.ImageDraw, title: str, volumes: Volumes) -> None:
    """The study's name, and below it the colors with their volumes."""
    name = _shortened(title, typeface(30), _WIDTH - 2 * _EDGE)
    pen.text((_EDGE, _TITLE_Y), name, _WHITE, typeface(30), "lm")
    x = _EDGE
    for tissue, color in COLORS.items():
        volume = volumes[tissue.name]
        text = f"{volume.name} ({volume.region})  {format_ml(volume.volume_ml)} mL"
        pen.rectangle((x, _LEGEND_Y - 2, x + 27, _LEGEND_Y + 1), color)
        pen.text((x + 36, _LEGEND_Y), text, _WHITE, typeface(18), "lm")
        x += 72 + round(typeface(18).getlength(text))
    pen.text((_WIDTH - _EDGE, _LEGEND_Y), _whole_tumor(volumes), _WHITE, typeface(18), "rm")


def _whole_tumor(volumes: Volumes) -> str:
    whole = volumes["WT"]
    if whole.voxels == 0:
        return "no tumor was segmented"
    share = f"{whole.share_of_brain_percent:.1f} % of the brain"
    return f"{REGION_NAMES['WT']}  {format_ml(whole.volume_ml)} mL,  {share}"


def _draw_headings(pen: ImageDraw.ImageDraw, layout: _Layout) -> None:
    for column, modality in enumerate(MODALITIES):
        left, top, right, _ = layout.tile(0, column)
        pen.text(((left + right) // 2, top - 6), _HEADINGS[modality], _WHITE, typeface(18), "md")


def _draw_footer(pen: ImageDraw.ImageDraw, height: int) -> None:
    y = height - 18
    pen.text((_EDGE, y), NOTICE, _GRAY, typeface(15), "lm")
    pen.text((_WIDTH - _EDGE, y), _CONVENTION, _GRAY, typeface(15), "rm")


def _shortened(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """One line that fits, cut with dots if it must be."""
    line = " ".join(text.split())
    if font.getlength(line) <= room:
        return line
    kept = next(n for n in range(len(line), -1, -1) if font.getlength(line[:n] + "...") <= room)
    return line[:kept] + "..."
