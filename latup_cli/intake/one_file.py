"""Take the four modalities out of one 4-D file, where somebody states their order."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from latup_cli.domain.study import FoundFile
from latup_cli.errors import (
    ChannelOrderError,
    ChannelsUnknownError,
    ImageError,
    OneImageError,
    named_as,
)
from latup_cli.imaging.nifti import count_volumes
from latup_cli.intake.folder import candidates, images
from latup_cli.intake.naming import shown
from latup_cli.intake.rules import DERIVED, SEGMENTATION, recognize
from latup_cli.labels import MODALITIES

DESCRIPTION = "dataset.json"
"""Of the Medical Segmentation Decathlon and of nnU-Net; it names the volumes of every file."""

_LEVELS = 3  # imagesTr/ lies beside it
_KEYS = ("modality", "channel_names")
_FOUR = len(MODALITIES)


def channel_order(text: str) -> tuple[str, ...]:
    """Modalities in the order that was typed, such as "flair,t1w,t1gd,t2w".

    Raises:
        ChannelOrderError: If it is not each of the four once.
    """
    order = _modalities(text.split(","))
    if order is None:
        raise ChannelOrderError(text)
    return order


def files_of_four(folder: Path) -> list[Path]:
    """The 4-D files of four volumes in a folder whose images are not told apart by their names.

    Of these, segmentations and masks do not count.
    """
    known = candidates(folder)
    aside = {found.path for kind in (SEGMENTATION, DERIVED) for found in known.get(kind, [])}
    pictures = [path for path in images(folder) if path not in aside]
    if len(pictures) > 1 and any(modality in known for modality in MODALITIES):
        return []
    return [path for path in pictures if _holds_four(path)]


def split(path: Path, study: str, channels: str | None) -> dict[str, FoundFile]:
    """Modality to its volume of one 4-D file.

    Args:
        path: The file.
        study: What the study is called in outputs.
        channels: The order as it was typed; None to look for a description above the file.

    Raises:
        ImageError: If the file cannot be read.
        OneImageError: If it does not hold four volumes.
        ChannelsUnknownError: If nothing states their order.
        ChannelOrderError: If what was typed is no order.
    """
    name = shown(path, study)
    order = None if channels is None else channel_order(channels)
    with named_as(name):
        count = count_volumes(path)
    if count != _FOUR:
        raise OneImageError(name, count)
    source = "--channels" if order else DESCRIPTION
    order = order or _described_order(path)
    if order is None:
        raise ChannelsUnknownError(name)
    return {
        modality: FoundFile(path, f"volume {number + 1} of {count} ({source})", number)
        for number, modality in enumerate(order)
    }


def _holds_four(path: Path) -> bool:
    with suppress(ImageError):  # whoever reads it says what is wrong
        return count_volumes(path) == _FOUR
    return False


def _described_order(path: Path) -> tuple[str, ...] | None:
    """What the nearest description in a folder above says."""
    for folder in path.absolute().parents[:_LEVELS]:
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            return _stated(content)
    return None


def _stated(content: object) -> tuple[str, ...] | None:
    if not isinstance(content, dict):
        return None
    for key in _KEYS:
        named = content.get(key)
        if isinstance(named, dict):
            words = [named.get(str(number)) for number in range(len(named))]
            return _modalities([word for word in words if isinstance(word, str)])
    return None


def _modalities(words: list[str]) -> tuple[str, ...] | None:
    """Each of the four once, or None."""
    recognized = [recognize(word) for word in words]
    order = tuple(found.meaning for found in recognized if found is not None)
    whole = len(words) == len(order) and sorted(order) == sorted(MODALITIES)
    return order if whole else None
