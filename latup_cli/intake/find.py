"""Find a study's four modalities in a folder by their names; every choice keeps its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from latup_cli.domain.study import FoundFile, StudyFiles
from latup_cli.errors import (
    AmbiguousModalityError,
    ImageNotFoundError,
    MissingModalityError,
    SameImageError,
    SeveralPatientsError,
    StudyNotFoundError,
)
from latup_cli.intake.naming import study_name
from latup_cli.intake.rules import SEGMENTATION, recognize
from latup_cli.labels import MODALITIES

_SUFFIXES = (".nii.gz", ".nii")
_REPORT = "_report.json"
_MOST_LISTED = 4
_GIVEN = "given on the command line"


def find_study(
    folder: Path, *, named: Mapping[str, Path] | None = None, name: str | None = None
) -> StudyFiles:
    """Find T1, T1ce, T2 and FLAIR in a folder, and a segmentation if one lies beside them.

    Args:
        folder: One patient's images; a BIDS subject or session with `anat/` works too.
        named: Modality to a file that was chosen explicitly; it wins over the folder's.
        name: What to call the study in outputs; by default the folder's name.

    Raises:
        StudyNotFoundError: If there is no such folder.
        SeveralPatientsError: If it holds folders of patients.
        MissingModalityError: If a modality is nowhere.
        AmbiguousModalityError: If two files claim one modality.
        ImageNotFoundError: If a named file does not exist.
        SameImageError: If one file stands for two modalities.
    """
    if not folder.is_dir():
        raise StudyNotFoundError(folder)
    chosen = _given(named or {})
    place = _image_folder(folder)
    candidates = _candidates(place, exclude=[found.path for found in chosen.values()])
    if not chosen and not _images(place):
        _refuse_patients(folder)
    for modality in MODALITIES:
        if modality not in chosen and candidates.get(modality):
            chosen[modality] = _only(modality, candidates[modality], folder)
    segmentations = candidates.get(SEGMENTATION, [])
    return _complete(
        chosen,
        study=name or study_name(place),
        seen=_described(chosen, _images(place)),
        segmentation=segmentations[0] if len(segmentations) == 1 else None,
    )


def study_from_files(named: Mapping[str, Path], name: str | None = None) -> StudyFiles:
    """A study of four files that were all named explicitly.

    Raises:
        MissingModalityError: If one of the four was not named.
        ImageNotFoundError: If a named file does not exist.
        SameImageError: If one file stands for two modalities.
    """
    chosen = _given(named)
    if name is None:
        folder = next((found.path.parent for found in chosen.values()), Path())
        name = study_name(folder)
    return _complete(chosen, study=name, seen=_described(chosen, []), segmentation=None)


def image_stem(path: Path) -> str | None:
    """A NIfTI file's name without its suffix; None for other files."""
    suffix = next((end for end in _SUFFIXES if path.name.casefold().endswith(end)), None)
    return None if suffix is None else path.name[: -len(suffix)]


def _given(named: Mapping[str, Path]) -> dict[str, FoundFile]:
    for modality, path in named.items():
        if not path.is_file():
            raise ImageNotFoundError(path, modality)
    return {modality: FoundFile(path, _GIVEN) for modality, path in named.items()}


def _image_folder(folder: Path) -> Path:
    """The folder itself, or the `anat` of a BIDS subject, of a session, or of its only session."""
    sessions = sorted(path for path in folder.glob("ses-*/anat") if path.is_dir())
    if _images(folder):
        return folder
    if (folder / "anat").is_dir():
        return folder / "anat"
    return sessions[0] if len(sessions) == 1 else folder


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if image_stem(path) is not None and not path.name.startswith(".") and path.is_file()
    )


def _candidates(folder: Path, *, exclude: Iterable[Path]) -> dict[str, list[FoundFile]]:
    """Meaning to the files whose names carry it, in the order of their names."""
    excluded = {path.resolve() for path in exclude}
    candidates: dict[str, list[FoundFile]] = {}
    for path in _images(folder):
        recognized = recognize(image_stem(path) or "")
        if recognized is None or path.resolve() in excluded or _is_ours(path, recognized.meaning):
            continue
        found = FoundFile(path, recognized.reason)
        candidates.setdefault(recognized.meaning, []).append(found)
    return candidates


def _is_ours(path: Path, meaning: str) -> bool:
    """Whether a segmentation lies beside the report that we wrote with it."""
    if meaning != SEGMENTATION:
        return False
    before = (image_stem(path) or "").rpartition("_")[0]
    return (path.parent / f"{before}{_REPORT}").is_file()


def _refuse_patients(folder: Path) -> None:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    patients = tuple(path.name for path in inside if _holds_a_modality(_image_folder(path)))
    if patients:
        raise SeveralPatientsError(folder, patients)


def _holds_a_modality(folder: Path) -> bool:
    return any(modality in _candidates(folder, exclude=()) for modality in MODALITIES)


def _only(modality: str, files: list[FoundFile], folder: Path) -> FoundFile:
    if len(files) > 1:
        names = tuple(file.path.relative_to(folder).as_posix() for file in files)
        raise AmbiguousModalityError(modality, names)
    return files[0]


def _described(chosen: Mapping[str, FoundFile], images: Iterable[Path]) -> tuple[str, ...]:
    """What was found, for the message that something is missing."""
    taken = {found.path for found in chosen.values()}
    known = [f"{m} ({chosen[m].path.name})" for m in MODALITIES if m in chosen]
    others = [path.name for path in images if path not in taken]
    return (*known, *others[:_MOST_LISTED], *(["..."] if len(others) > _MOST_LISTED else []))


def _complete(
    chosen: Mapping[str, FoundFile],
    *,
    study: str,
    seen: tuple[str, ...],
    segmentation: FoundFile | None,
) -> StudyFiles:
    missing = tuple(modality for modality in MODALITIES if modality not in chosen)
    if missing:
        raise MissingModalityError(study, missing, seen)
    holders: dict[Path, str] = {}
    for modality in MODALITIES:
        path = chosen[modality].path
        other = holders.setdefault(path.resolve(), modality)
        if other != modality:
            raise SameImageError(Path(path.name), other, Path(path.name), modality)
    return StudyFiles(study, {modality: chosen[modality] for modality in MODALITIES}, segmentation)
