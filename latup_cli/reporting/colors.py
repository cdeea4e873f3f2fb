"""The color of each tissue, the same in pictures and in DICOM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from latup_cli.labels import Tissue

Color: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

COLORS: Mapping[Tissue, Color] = MappingProxyType(
    {Tissue.ET: (255, 130, 0), Tissue.NCR: (205, 75, 255), Tissue.ED: (0, 210, 255)}
)
"""In the order of the legend: orange, violet and cyan stay apart from each other and from gray
for readers with any of the three color blindnesses."""
