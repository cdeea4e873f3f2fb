"""A thumbnail of a preview, for pages that show many patients at once."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from latup_cli.errors import UnreadableImageError
from latup_cli.reporting.preview import axial_tile

_SHOWN = ("t1ce", "flair")  # the one shows the core, the other all of the tumor
_SIDE = 144
_RIM = 20  # of a tile, where letters stand
_GAP = 4
_QUALITY = 80


def thumbnail(preview: Path) -> bytes:
    """The axial T1ce and FLAIR of a preview, side by side: a JPEG of 292 x 144 pixels.

    Raises:
        UnreadableImageError: If the preview is not there or no picture any more.
    """
    small = Image.new("RGB", (len(_SHOWN) * (_SIDE + _GAP) - _GAP, _SIDE))
    try:
        with Image.open(preview) as picture:
            whole = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(preview, "it is no picture") from error
    for column, modality in enumerate(_SHOWN):
        left, top, right, bottom = axial_tile(modality)
        tile = whole.crop((left + _RIM, top + _RIM, right - _RIM, bottom - _RIM))
        tile = tile.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        small.paste(tile, (column * (_SIDE + _GAP), 0))
    data = io.BytesIO()
    small.save(data, format="JPEG", quality=_QUALITY, optimize=True)
    return data.getvalue()
