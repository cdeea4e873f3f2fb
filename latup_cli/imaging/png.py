"""Write PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

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
