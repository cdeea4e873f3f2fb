"""Find a study's four modalities, NIfTI by names or DICOM by tags; each choice has its reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from latup_cli.domain.privacy import discreet
from latup_cli.domain.study import FoundFile, StudyFiles
from latup_cli.errors import (
    AmbiguousModalityError,
    ImageNotFoundError,
    LatupError,
    MissingModalityError,
    NotOneFileError,
    OneImageError,
    OtherFormatError,
    SameImageError,
    SeveralFilesError,
    SeveralPatientsError,
    StudyNotFoundError,
    UnreachableError,
)
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.imaging.nifti_bytes import parts
from latup_cli.intake.dicom_places import holds_dicom
from latup_cli.intake.folder import (
    OTHER_FORMATS,
    candidates,
    image_folder,
    image_stem,
    images,
    in_another_format,
)
from latup_cli.intake.naming import outward, shown, shown_place, study_name
from latup_cli.intake.one_file import files_of_four, split
from latup_cli.intake.rules import SEGMENTATION
from latup_cli.labels import MODALITIES

if TYPE_CHECKING:
    from latup_cli.intake.dicom_find import DicomStudy

_MOST_LISTED = 4
_GIVEN = "given on the command line"
_NIFTI_WINS = "; all four are there as NIfTI, and the DICOM files beside them were left alone"
_DICOM_WINS = "; the NIfTI files beside it are not all four"


def find_study(
    place: Path,
    *,
    named: Mapping[str, Path] | None = None,
    name: str | None = None,
    channels: str | None = None,
) -> StudyFiles:
    """Find T1, T1ce, T2 and FLAIR, and a segmentation if one lies beside them.

    Args:
        place: Folder of one patient's images, a BIDS subject or session with `anat/`, a folder
            of DICOM files at any depth or its DICOMDIR, or one 4-D file of four volumes.
        named: Modality to a file that was chosen explicitly; it wins over the folder's.
        name: What to call the study in outputs; by default as its folder or 4-D file.
        channels: Order of the volumes in a 4-D file, apart by commas; None to take it from a
            `dataset.json` above the file.

    Raises:
        StudyNotFoundError: If there is no such place.
        UnreachableError: If it cannot be looked into.
        SeveralPatientsError: If it holds folders of patients.
        SeveralFilesError: If it holds several 4-D files.
        MissingModalityError: If a modality is nowhere.
        AmbiguousModalityError: If two files claim one modality.
        ImageNotFoundError: If a named file does not exist.
        SameImageError: If one file stands for two modalities.
        OtherFormatError: If a missing modality is there as NRRD or MetaImage.
        OneImageError: If the place is a file that does not hold four volumes.
        ChannelsUnknownError: If nothing states the order of the volumes.
        ChannelOrderError: If `channels` does not name each modality once.
        NotOneFileError: If `channels` is given and there is no 4-D file.
        InputError: If a DICOM folder is no study; `find_dicom` says why.
    """
    with _reachable(place):
        if place.is_file() and is_dicom(place):
            place = place.parent  # a DICOMDIR, or one slice of a series
        if place.is_file():
            return _in_file(place, named, name, channels)
        if not place.is_dir():
            raise StudyNotFoundError(place)
        return _in_folder(place, named or {}, name, channels)


def study_from_files(
    named: Mapping[str, Path], name: str | None = None, *, channels: str | None = None
) -> StudyFiles:
    """A study of four files that were all named explicitly.

    Raises:
        MissingModalityError: If one of the four was not named.
        ImageNotFoundError: If a named file does not exist.
        SameImageError: If one file stands for two modalities.
        UnreachableError: If the folder of one cannot be looked into.
        NotOneFileError: If an order of channels is given, which four files have no use for.
    """
    first = next(iter(named.values()), Path())
    with _reachable(first):
        chosen, private = _given(named)
        study = name or study_name(first.parent, private)
        if channels is not None:
            raise NotOneFileError(study)
        files = _complete(chosen, study=study, seen=_described(chosen, [], study))
        return replace(files, private=private)


@contextmanager
def _reachable(place: Path) -> Iterator[None]:
    try:
        yield
    except LatupError:
        raise
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UnreachableError(shown_place(place), reason) from None


def _given_series(modality: str, place: Path) -> tuple[FoundFile, frozenset[str]] | None:
    from latup_cli.intake.dicom_find import named_series  # loads a library that few need

    return named_series(place, modality)


def _in_file(
    file: Path, named: Mapping[str, Path] | None, name: str | None, channels: str | None
) -> StudyFiles:
    study = name or outward(image_stem(file) or file.name)
    if named:
        raise OneImageError(shown(file, study), 1)
    return _complete(split(file, study, channels), study=study, seen=())


def _in_folder(
    folder: Path, named: Mapping[str, Path], name: str | None, channels: str | None
) -> StudyFiles:
    place = image_folder(folder)
    chosen, private = _given(named)
    study = name or study_name(place, private)
    candidate = candidates(place, exclude=[found.path for found in chosen.values()])
    if not chosen:
        if not images(place):
            _refuse_patients(folder)
        chosen = _volumes(place, study, channels)
    if channels is not None and all(found.volume is None for found in chosen.values()):
        raise NotOneFileError(study)
    given = dict(chosen)
    chosen |= {
        modality: _only(modality, candidate[modality], study)
        for modality in MODALITIES
        if modality not in chosen and candidate.get(modality)
    }
    if len(chosen) < len(MODALITIES) and holds_dicom(folder):
        from latup_cli.intake.dicom_find import find_dicom  # loads a library that few need

        dicom = find_dicom(folder, name, named=given)
        if dicom is not None:
            files = _from_dicom(dicom, given, nifti=bool(images(place)))
            return replace(files, private=files.private | private)
    elif len(given) < len(MODALITIES) and holds_dicom(folder):
        chosen = {**{m: _because(chosen[m], _NIFTI_WINS) for m in MODALITIES}, **given}
    _refuse_other_formats(place, study, missing=[m for m in MODALITIES if m not in chosen])
    segmentations = candidate.get(SEGMENTATION, [])
    files = _complete(
        chosen,
        study=study,
        seen=_described(chosen, images(place), study),
        segmentation=segmentations[0] if len(segmentations) == 1 else None,
    )
    return replace(files, private=private)


def _from_dicom(dicom: DicomStudy, given: Mapping[str, FoundFile], *, nifti: bool) -> StudyFiles:
    """What was given wins; NIfTI files that are not all four give way to DICOM."""
    found = dicom.chosen.modalities
    why = _DICOM_WINS if nifti else ""
    chosen = {**{m: _because(found[m], why) for m in found}, **given}
    files = _complete(chosen, study=dicom.name, seen=dicom.chosen.seen)
    return replace(files, private=dicom.private)


def _because(found: FoundFile, why: str) -> FoundFile:
    return replace(found, reason=found.reason + why)


def _volumes(folder: Path, study: str, channels: str | None) -> dict[str, FoundFile]:
    """Modality to volume if the folder's images are one 4-D file; nothing otherwise."""
    files = files_of_four(folder)
    if len(files) > 1:
        raise SeveralFilesError(shown_place(folder), len(files))
    return split(files[0], study, channels) if files else {}


def _given(named: Mapping[str, Path]) -> tuple[dict[str, FoundFile], frozenset[str]]:
    """What was named, and the words of its DICOM tags that tell who the patient is."""
    given = {modality: _given_file(modality, path) for modality, path in named.items()}
    private = frozenset[str]().union(*(words for _, words in given.values()))
    return {modality: found for modality, (found, _) in given.items()}, private


def _given_file(modality: str, path: Path) -> tuple[FoundFile, frozenset[str]]:
    """A NIfTI file, or the DICOM series in a folder or of a file."""
    series = _given_series(modality, path) if path.is_dir() or is_dicom(path) else None
    if series is None and not path.is_file():
        raise ImageNotFoundError(shown_place(path), modality)
    return series or (FoundFile(parts(path)[0], _GIVEN), frozenset())


def _refuse_patients(folder: Path) -> None:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    patients = tuple(discreet(path.name) for path in inside if _holds_a_modality(path))
    if patients:
        raise SeveralPatientsError(shown_place(folder), patients)


def _holds_a_modality(folder: Path) -> bool:
    try:
        found = candidates(image_folder(folder))
    except OSError:  # a folder beside the images that we may not open holds none for us
        return False
    return any(modality in found for modality in MODALITIES)


def _refuse_other_formats(folder: Path, study: str, *, missing: Iterable[str]) -> None:
    for modality in missing:
        path = in_another_format(folder, modality)
        if path is not None:
            form = OTHER_FORMATS[path.suffix.casefold()]
            raise OtherFormatError(shown(path, study, modality), form)


def _only(modality: str, files: list[FoundFile], study: str) -> FoundFile:
    if len(files) > 1:
        names = tuple(str(shown(file.path, study, modality)) for file in files)
        raise AmbiguousModalityError(modality, names)
    return files[0]


def _described(
    chosen: Mapping[str, FoundFile], others: Iterable[Path], study: str
) -> tuple[str, ...]:
    """What was found, for the message that something is missing."""
    taken = {found.path for found in chosen.values()}
    known = [f"{m} ({shown(chosen[m].path, study)})" for m in MODALITIES if m in chosen]
    left = [str(shown(path, study)) for path in others if path not in taken]
    return (*known, *left[:_MOST_LISTED], *(["..."] if len(left) > _MOST_LISTED else []))


def _complete(
    chosen: Mapping[str, FoundFile],
    *,
    study: str,
    seen: tuple[str, ...],
    segmentation: FoundFile | None = None,
) -> StudyFiles:
    missing = tuple(modality for modality in MODALITIES if modality not in chosen)
    if missing:
        raise MissingModalityError(study, missing, seen)
    holders: dict[tuple[object, ...], str] = {}
    for modality in MODALITIES:
        found = chosen[modality]
        source = (os.path.realpath(found.path), found.volume, found.series)
        other = holders.setdefault(source, modality)
        if other != modality:
            first = shown(chosen[other].path, study, other)
            raise SameImageError(first, other, shown(found.path, study, modality), modality)
    return StudyFiles(study, {modality: chosen[modality] for modality in MODALITIES}, segmentation)
