"""Draw a chart's frame, axes and marks with Pillow, smooth at any size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from latup_cli.imaging.png import typeface

Color: TypeAlias = tuple[int, int, int]
Range: TypeAlias = tuple[float, float]

INK: Color = (40, 40, 40)
FAINT: Color = (224, 224, 224)
PAPER: Color = (255, 255, 255)
TEXT = 15
TITLE = 19

_FINER = 3  # everything is drawn this much larger and then reduced: Pillow does not smooth edges
_NEAT_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of a plot in pixels, and what its edges stand for.

    Attributes:
        left: Pixels from the picture's left.
        top: Pixels from its top.
        width: In pixels.
        height: In pixels.
        x: Values at the left and the right edge.
        y: Values at the bottom and the top edge.
    """

    left: float
    top: float
    width: float
    height: float
    x: Range
    y: Range

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a value lies, in pixels from the left and top."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1.0 - up) * self.height


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A white sheet to draw on, in pixels of the final picture."""

    width: int
    height: int
    _image: Image.Image = field(init=False)
    _pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        image = Image.new("RGB", (self.width * _FINER, self.height * _FINER), PAPER)
        object.__setattr__(self, "_image", image)
        object.__setattr__(self, "_pen", ImageDraw.Draw(image))

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(rows, columns, 3) red, green, blue."""
        return np.asarray(self._image.reduce(_FINER))

    def line(
        self, points: Iterable[tuple[float, float]], color: Color = INK, width: float = 1.0
    ) -> None:
        """Straight lines from point to point."""
        places = [(x * _FINER, y * _FINER) for x, y in points]
        self._pen.line(places, fill=color, width=round(width * _FINER))

    def box(
        self, corners: tuple[float, float, float, float], fill: Color, edge: Color | None = None
    ) -> None:
        """A rectangle from left, top to right, bottom."""
        left, top, right, bottom = (value * _FINER for value in corners)
        self._pen.rectangle((left, top, right, bottom), fill=fill, outline=edge, width=_FINER)

    def dot(self, place: tuple[float, float], color: Color, radius: float = 4.0) -> None:
        """A disk with a thin white rim, so that neighbors stay apart."""
        x, y = (value * _FINER for value in place)
        size = radius * _FINER
        self._pen.ellipse((x - size, y - size, x + size, y + size), color, PAPER, _FINER)

    def text(
        self,
        place: tuple[float, float],
        text: str,
        anchor: str = "mm",
        size: int = TEXT,
        color: Color = INK,
    ) -> None:
        """One line; the anchor is Pillow's: horizontal l, m, r and vertical a, m, d."""
        x, y = place
        self._pen.text((x * _FINER, y * _FINER), text, color, typeface(size * _FINER), anchor)

    def turned_text(self, place: tuple[float, float], text: str) -> None:
        """One line that reads upwards, centered on a place."""
        font = typeface(TEXT * _FINER)
        left, top, right, bottom = (math.ceil(v) for v in font.getbbox(text))
        label = Image.new("RGB", (right - left, bottom - top), PAPER)
        ImageDraw.Draw(label).text((-left, -top), text, INK, font)
        upright = label.transpose(Image.Transpose.ROTATE_90)
        x, y = (round(value * _FINER) for value in place)
        self._image.paste(upright, (x - upright.width // 2, y - upright.height // 2))


def neat_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Round numbers from `low` to `high`, in steps of 1, 2, 2.5 or 5 times a power of ten.

    Args:
        low: Nothing below it.
        high: Nothing above it.
        most: How many there may be.

    Raises:
        ValueError: If `high` is not above `low`.
    """
    if not high > low:
        raise ValueError(f"There are no ticks from {low} to {high}.")
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(neat for neat in _NEAT_STEPS if neat * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(n * step, 12) for n in range(first, last + 1))


def draw_axis_y(picture: Picture, frame: Frame, ticks: Iterable[float]) -> None:
    """Faint lines across the frame with their values at its left."""
    for tick in ticks:
        x, y = frame.place(frame.x[0], tick)
        picture.line([(x, y), (x + frame.width, y)], FAINT)
        picture.text((x - 8, y), f"{tick:g}", "rm")


def draw_axis_x(picture: Picture, frame: Frame, ticks: Iterable[float]) -> None:
    """Faint lines up the frame with their values below it."""
    for tick in ticks:
        x, y = frame.place(tick, frame.y[0])
        picture.line([(x, y), (x, y - frame.height)], FAINT)
        picture.text((x, y + 8), f"{tick:g}", "ma")
