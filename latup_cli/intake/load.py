"""Read a study's four images and check that each is one and that they belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from latup_cli.domain.study import FoundFile, SpatialCodes, Study, StudyFiles
from latup_cli.domain.volume import Volume
from latup_cli.errors import ImageError, SameImageError
from latup_cli.imaging.nifti import NiftiImage, read, read_volumes
from latup_cli.intake import naming
from latup_cli.intake.content import background, check_content
from latup_cli.intake.geometry import check_affine, check_size, placement_warning, shared_grid
from latup_cli.intake.skull import (
    SMALL_BRAIN_ML,
    check_empty_outside,
    check_not_a_head,
    measure,
)

_PLACED_BY = "t1ce"  # its grid and spatial codes are the study's


@dataclass(frozen=True, slots=True)
class _Image:
    """One image that passed the checks on its own.

    Attributes:
        modality: What it is.
        shown: The path that people see.
        volume: Its voxels, background 0.
        codes: Its header's spatial codes.
        warnings: What was odd and was accepted.
    """

    modality: str
    shown: Path
    volume: Volume
    codes: SpatialCodes
    warnings: tuple[str, ...]


def load_study(files: StudyFiles) -> Study:
    """Read and check the four modalities.

    A background that has one value other than 0 is shifted to 0, with a warning; otherwise
    intensities are as stored.

    Raises:
        UnreadableImageError: If a file is empty, cut short, damaged or not NIfTI.
        ImageContentError: If a file holds no usable MR image; its subclasses say why.
        SameImageError: If two modalities are one image.
        SkullPresentError: If the skull has not been removed.
        GridMismatchError: If the modalities do not lie on one grid.
    """
    names = _shown(files)
    order = sorted(files.modalities, key=lambda modality: modality != _PLACED_BY)
    reader = _Reader()
    images = [
        _image(modality, names[modality], reader(files.modalities[modality], names[modality]))
        for modality in order
    ]
    _refuse_copies(images)
    small = _check_stripped(images)
    grid = shared_grid({image.shown: image.volume.grid for image in images})
    placed = {image.modality: Volume(image.volume.data, grid) for image in images}
    warnings = [warning for image in images for warning in image.warnings] + small
    ordered = {modality: placed[modality] for modality in files.modalities}
    return Study(files, ordered, images[0].codes, tuple(warnings))


def _shown(files: StudyFiles) -> Mapping[str, Path]:
    """Modality to a name that tells the files apart and nobody who the patient is."""
    found = files.modalities
    names = {m: naming.shown(found[m].path, files.name, m) for m in found}
    if len(set(names.values())) == len(names):
        return names
    return {modality: Path(f"{name} ({modality})") for modality, name in names.items()}


@dataclass(slots=True)
class _Reader:
    """Reads images, and a file of several volumes only once."""

    volumes: dict[Path, tuple[NiftiImage, ...]] = field(default_factory=dict)

    def __call__(self, found: FoundFile, name: Path) -> NiftiImage:
        try:
            if found.volume is None:
                return read(found.path)
            if found.path not in self.volumes:
                self.volumes[found.path] = read_volumes(found.path)
            return self.volumes[found.path][found.volume]
        except ImageError as error:
            raise error.named(name) from None  # whose message has the path


def _image(modality: str, shown: Path, image: NiftiImage) -> _Image:
    check_affine(shown, image)
    volume = image.volume
    check_content(shown, modality, volume.data)
    volume, shifted = _on_black(shown, volume)
    warnings = (placement_warning(shown, image), shifted)
    said = tuple(warning for warning in warnings if warning is not None)
    return _Image(modality, shown, volume, image.codes, said)


def _on_black(shown: Path, volume: Volume) -> tuple[Volume, str | None]:
    """Shift a background that has one value to 0; normalization does not see the shift."""
    value = background(volume.data)
    if value == 0.0:
        return volume, None
    shifted = Volume(volume.data - np.float32(value), volume.grid)
    return shifted, f"{shown}: the background value {value:g} was shifted to 0."


def _refuse_copies(images: Sequence[_Image]) -> None:
    for one, other in combinations(images, 2):
        if np.array_equal(one.volume.data, other.volume.data):
            raise SameImageError(one.shown, one.modality, other.shown, other.modality)


def _check_stripped(images: Sequence[_Image]) -> list[str]:
    """Check for the skull, and between its two signs for size.

    A head in thick slices is told that it is a head, and a scrap that it is a scrap.
    """
    found = {image.shown: measure(image.volume) for image in images}
    for shown, emptiness in found.items():
        check_not_a_head(shown, emptiness)
    for image in images:
        check_size(image.shown, image.volume.grid)
    for shown, emptiness in found.items():
        check_empty_outside(shown, emptiness)
    largest = max(emptiness.nonzero_ml for emptiness in found.values())
    if largest >= SMALL_BRAIN_ML:
        return []
    return [f"The brain measures only {largest:.0f} mL; check the voxel sizes."]
