"""What all our pictures have in common: grays, colored lines, letters and a scale bar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from latup_cli.imaging.png import typeface
from latup_cli.reporting.colors import Color

Frame: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two exclusive."""

WHITE: Color = (240, 240, 240)
GRAY: Color = (165, 165, 165)

HEADINGS = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}
"""Modalities as people write them."""

CONVENTION = "Radiological convention: the patient's right is on the left."

_BARS_MM = (50, 20, 10, 5, 2, 1)
_MM_PER_CM = 10


def middle_of(tile: Frame, width: int, height: int) -> Frame:
    """The place of a picture of this size in the middle of a tile."""
    left, top, right, bottom = tile
    left, top = (left + right - width) // 2, (top + bottom - height) // 2
    return left, top, left + width, top + height


def enlarged(gray: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """A gray picture in [0, 1] at another size, (across, down) in pixels, without steps."""
    smooth = Image.fromarray(gray).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth, dtype=np.float32), 0.0, 1.0)


def colored(
    gray: npt.NDArray[np.float32], lines: Iterable[tuple[Color, npt.NDArray[np.float32]]]
) -> npt.NDArray[np.uint8]:
    """Draw lines over a gray picture.

    Args:
        gray: (rows, columns) in [0, 1].
        lines: Color, and how much of each pixel it covers: (rows, columns) in [0, 1].

    Returns:
        (rows, columns, 3) red, green, blue.
    """
    picture = np.repeat(gray[:, :, np.newaxis] * 255.0, 3, axis=2)
    for color, cover in lines:
        picture += cover[:, :, np.newaxis] * (np.array(color) - picture)
    return np.rint(picture).astype(np.uint8)


def draw_directions(pen: ImageDraw.ImageDraw, frame: Frame, letters: str) -> None:
    """Letters just outside a picture: left, right, top, bottom."""
    left, top, right, bottom = frame
    x, y = (left + right) // 2, (top + bottom) // 2
    places = ((left - 3, y), (right + 3, y), (x, top), (x, bottom))
    for letter, place, anchor in zip(letters, places, ("rm", "lm", "md", "ma"), strict=True):
        pen.text(place, letter, GRAY, typeface(15), anchor)


def draw_scale_bar(
    pen: ImageDraw.ImageDraw, start: tuple[int, int], pixels_per_mm: float, room: float
) -> None:
    """The longest round length that fits into `room` pixels, from `start` to the right."""
    left, y = start
    fitting = [mm for mm in _BARS_MM if mm * pixels_per_mm <= room]
    length_mm = max(fitting, default=_BARS_MM[-1])
    end = left + round(length_mm * pixels_per_mm)
    unit = f"{length_mm // _MM_PER_CM} cm" if length_mm >= _MM_PER_CM else f"{length_mm} mm"
    pen.rectangle((left, y, end - 1, y + 2), WHITE)
    pen.text((end + 8, y + 1), unit, WHITE, typeface(15), "lm")


def shortened(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """One line that fits, cut with dots if it must be."""
    line = " ".join(text.split())
    if font.getlength(line) <= room:
        return line
    kept = next(n for n in range(len(line), -1, -1) if font.getlength(line[:n] + "...") <= room)
    return line[:kept] + "..."


def wrapped(text: str, font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    """The lines of a text, broken between words where they are wider than `room` pixels."""
    lines = []
    for line in text.splitlines():
        kept = ""
        for word in line.split():
            longer = f"{kept} {word}".strip()
            if kept and font.getlength(longer) > room:
                lines.append(kept)
                longer = word
            kept = longer
        lines.append(shortened(kept, font, room))
    return lines
