"""Read the voxels of a DICOM series, compressed or not, one rescale per slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    JPEG2000,
    UID,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from latup_cli.domain.volume import Volume
from latup_cli.errors import UnreadableImageError
from latup_cli.imaging.dicom import Frame, read_frames
from latup_cli.imaging.dicom_stack import Stack, by_kind, stacked

# Chosen by name, so that no other decoder that happens to be installed is ever used: GDCM and
# pydicom go with our license, and what was tested is what runs.
_GDCM = (
    JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless,
    JPEG2000Lossless, JPEG2000,
)  # fmt: skip
_DECODERS = dict.fromkeys(_GDCM, "gdcm") | {RLELossless: "pydicom"}


def read_series(name: Path, files: Sequence[Path], volume: int | None = None) -> Volume:
    """Read a series as float32 in RAS+ mm.

    Args:
        name: What the person should see.
        files: In any order.
        volume: Which of several volumes that the files hold, as `by_kind` numbers them.

    Returns:
        (columns, rows, slices), each slice with its own slope and intercept applied.

    Raises:
        UnreadableImageError: If a file is damaged, gone, or compressed in a way unknown to us.
        ImageContentError: If the slices do not make a volume; its subclasses say why.
    """
    found = by_kind(frame for path in files for frame in _known(name, path))
    if len(found) != 1 and (volume is None or not 0 <= volume < len(found)):
        raise UnreadableImageError(name, "its files have changed since they were looked at")
    stack = stacked(name, found[volume or 0])
    return Volume(_voxels(name, stack), stack.grid)


def _known(name: Path, path: Path) -> tuple[Frame, ...]:
    frames = read_frames(path)
    if not frames:
        raise UnreadableImageError(name, "one of its files is damaged or gone")
    return frames


def _voxels(name: Path, stack: Stack) -> npt.NDArray[np.float32]:
    voxels = np.empty(stack.grid.shape, dtype=np.float32)
    places: dict[Path, list[int]] = {}
    for place, frame in enumerate(stack.frames):
        places.setdefault(frame.path, []).append(place)
    for path, slices in places.items():
        numbers = [stack.frames[place].number for place in slices]
        for place, stored in zip(slices, _decoded(name, path, numbers), strict=True):
            frame = stack.frames[place]
            voxels[:, :, place] = (stored.T * frame.slope + frame.intercept).astype(np.float32)
    return voxels


def _decoded(name: Path, path: Path, numbers: list[int]) -> list[npt.NDArray[np.float64]]:
    """Stored numbers, (rows, columns) each, of the frames that are asked for, in their order."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        syntax = _syntax(dataset)
        if not syntax.is_encapsulated or syntax in _DECODERS:
            plugin = _DECODERS.get(syntax, "")
            pixels = iter_pixels(dataset, indices=numbers, raw=True, decoding_plugin=plugin)
            return [frame.astype(np.float64) for frame in pixels]
    except Exception:  # noqa: BLE001  (pydicom documents no limit to what damaged files raise)
        # without its cause, which may quote a tag
        reason = "one of its files is damaged or cut short"
        raise UnreadableImageError(name, reason) from None
    raise UnreadableImageError(name, f"{syntax.name} cannot be decoded")


def _syntax(dataset: Dataset) -> UID:
    """How the pixels are stored; a file without preamble has the default of the standard."""
    if not getattr(dataset, "file_meta", None):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return UID(dataset.file_meta.TransferSyntaxUID)
