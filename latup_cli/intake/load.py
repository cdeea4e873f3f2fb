"""Read a study's four images and check that each is one and that they belong together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from latup_cli.domain.study import REFERENCE, FoundFile, SpatialCodes, Study, StudyFiles
from latup_cli.domain.volume import Volume
from latup_cli.errors import SameImageError, named_as
from latup_cli.imaging.nifti import NiftiImage, read, read_volumes
from latup_cli.intake import naming
from latup_cli.intake.content import background, check_content
from latup_cli.intake.geometry import (
    check_affine,
    check_extent,
    check_size,
    check_slices,
    placement_warning,
)
from latup_cli.intake.skull import SMALL_BRAIN_ML, measure, sign_of_skull

SCANNER = SpatialCodes(sform=1, qform=1)
"""DICOM positions are those of the scanner."""


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
    """Read and check the four modalities, NIfTI files or DICOM series, in parallel.

    They may lie on different grids and show a whole head; the study says which do.

    A background that has one value other than 0 is shifted to 0, with a warning; otherwise
    intensities are as stored.

    Raises:
        UnreadableImageError: If a file is empty, cut short, damaged or not NIfTI.
        ImageContentError: If a file holds no usable MR image; its subclasses say why.
        SameImageError: If two modalities are one image.
    """
    names = _shown(files)
    images = _images(files, names, _in_order(files.modalities))
    _refuse_copies(images)
    found = {image.modality: measure(image.volume) for image in images}
    signs = {modality: sign_of_skull(emptiness) for modality, emptiness in found.items()}
    skull = {modality: sign for modality, sign in signs.items() if sign}
    volumes = {image.modality: image.volume for image in images}
    ordered = {modality: volumes[modality] for modality in files.modalities}
    said = (*_exams(files), *(warning for image in images for warning in image.warnings))
    study = Study(files, ordered, images[0].codes, said, skull, names)
    _check_sizes(study)
    if skull:
        return study
    small = _small_brain(max(emptiness.nonzero_ml for emptiness in found.values()))
    return replace(study, warnings=(*said, *small))


def _images(files: StudyFiles, names: Mapping[str, Path], order: Sequence[str]) -> list[_Image]:
    """All images in this order, read in parallel; of several errors the first in it is raised."""
    readings: dict[tuple[object, ...], Future[tuple[NiftiImage, ...]]] = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(len(order)) as pool:
        # Readers in threads put back each other's filters; here they are put back for good.
        for modality in order:
            found = files.modalities[modality]
            if _source(found) not in readings:
                readings[_source(found)] = pool.submit(_read, found, names[modality])
        checked = [pool.submit(_checked, m, names[m], files.modalities[m], readings) for m in order]
        return [image.result() for image in checked]


def _check_sizes(study: Study) -> None:
    """A head may come in thick slices; stripped and registered images go to the network."""
    ready = study.on_one_grid and not study.skull
    for modality in _in_order(study.images):
        shown, grid = study.shown_as(modality), study.images[modality].grid
        if ready:
            check_size(shown, grid)
        else:
            check_slices(shown, grid)
        if modality in study.skull:
            check_extent(shown, grid)


def _in_order(modalities: Iterable[str]) -> list[str]:
    """The one that places the study first."""
    return sorted(modalities, key=lambda modality: modality != REFERENCE)


def _shown(files: StudyFiles) -> Mapping[str, Path]:
    """Modality to a name that tells the files apart and nobody who the patient is."""
    found = files.modalities
    names = {m: _shown_file(found[m], files.name, m) for m in found}
    if len(set(names.values())) == len(names):
        return names
    return {modality: Path(f"{name} ({modality})") for modality, name in names.items()}


def _shown_file(found: FoundFile, study: str, modality: str) -> Path:
    """Of a DICOM series, neither folder nor file names say anything, but often the patient's."""
    if found.series:
        return Path(f"{modality} (DICOM)")
    return naming.shown(found.path, study, modality)


def _source(found: FoundFile) -> tuple[object, ...]:
    """What makes two modalities come from one reading: volumes of one 4-D file share it."""
    shared = found.volume is not None and not found.series
    return (found.path,) if shared else (found.path, found.volume, found.series)


def _read(found: FoundFile, name: Path) -> tuple[NiftiImage, ...]:
    """Every volume of a 4-D file, or the one image of a file or series."""
    with named_as(name):
        if found.series:
            from latup_cli.imaging.dicom_pixels import read_series  # a library that few need

            volume = read_series(name, found.series, found.volume)
            return (NiftiImage(volume.data, volume.grid, SCANNER),)
        return (read(found.path),) if found.volume is None else read_volumes(found.path)


def _checked(
    modality: str,
    shown: Path,
    found: FoundFile,
    readings: Mapping[tuple[object, ...], Future[tuple[NiftiImage, ...]]],
) -> _Image:
    volumes = readings[_source(found)].result()
    return _image(modality, shown, volumes[0 if found.series else found.volume or 0])


def _image(modality: str, shown: Path, image: NiftiImage) -> _Image:
    check_affine(shown, image)
    volume = image.volume
    check_content(shown, modality, volume.data)
    volume, shifted = _on_black(shown, volume)
    remarks = (placement_warning(shown, image), shifted)
    said = tuple(remark for remark in remarks if remark is not None)
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


def _exams(files: StudyFiles) -> list[str]:
    """A warning where the four are of several exams, as before and during surgery."""
    exams: dict[str, list[str]] = {}
    for modality, found in files.modalities.items():
        if found.exam:
            exams.setdefault(found.exam, []).append(modality)
    if len(exams) <= 1:
        return []
    groups = "; ".join(", ".join(group) for group in exams.values())
    between = "if anything changed between them, as by surgery, the result is wrong"
    return [f"The series come from {len(exams)} exams ({groups}): {between}."]


def _small_brain(largest_ml: float) -> list[str]:
    if largest_ml >= SMALL_BRAIN_ML:
        return []
    return [f"The brain measures only {largest_ml:.0f} mL; check the voxel sizes."]
