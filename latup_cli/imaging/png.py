"""Write PNG files, and the typeface that is drawn with."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFont

from latup_cli.imaging.atomic import replacing


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write a color picture.

    Args:
        path: Ends in .png.
        pixels: (rows, columns, 3) red, green, blue.

    Raises:
        OutputError: If it cannot be written.
    """
    with replacing(path) as beside:
        Image.fromarray(pixels).save(beside, format="PNG")


@cache
def typeface(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface, so that a picture is the same on every machine.

    Raises:
        OSError: If Pillow was built without FreeType, which no wheel is.
    """
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("Pillow was built without FreeType")
    return font
