"""Find segmentations in folders, and which prediction belongs to which reference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from latup_cli.errors import (
    AmbiguousCaseError,
    FileAgainstFolderError,
    NoPairsError,
    SegmentationsNotFoundError,
)

OURS = "latup"
"""The folder inside a patient's that `latup segment` writes to."""

_SUFFIXES = (".nii.gz", ".nii")
_ENDING = re.compile(
    r"([ ._-]+(seg|segm|segmentation|dseg|labels?|pred|prediction|mask|tumou?r))+$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Naming:
    """What names of files and folders mean.

    Attributes:
        is_segmentation: Whether a file's name, without its suffix, says so; None if it does not
            say what the file holds.
        case: What a case may be called in outputs.
    """

    is_segmentation: Callable[[str], bool | None]
    case: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction and the reference of the same case."""

    case: str
    prediction: Path
    reference: Path


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was found on both sides.

    Attributes:
        pairs: Cases on both sides, by name.
        without_prediction: References that stand alone.
        without_reference: Predictions that stand alone.
    """

    pairs: tuple[Pair, ...]
    without_prediction: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()


def find_pairs(predictions: Path, references: Path, naming: Naming) -> Pairs:
    """Match predictions with references by the names of patient folders or files.

    A folder holds patient folders (`ID/ID_seg.nii.gz`, or our own `ID/latup/ID_seg.nii.gz`,
    which counts as a prediction only) or files (`ID_seg.nii.gz`, `ID.nii.gz`), or both.

    Args:
        predictions: A file or folder.
        references: The same.
        naming: What names mean.

    Raises:
        SegmentationsNotFoundError: If a path does not exist, or a folder holds none.
        FileAgainstFolderError: If one is a file and the other a folder.
        AmbiguousCaseError: If two files of one side could be the same case.
        NoPairsError: If no case is on both sides.
    """
    for path in (predictions, references):
        if not path.exists():
            raise SegmentationsNotFoundError(path, "does not exist")
    if predictions.is_file() != references.is_file():
        raise FileAgainstFolderError(predictions, references)
    if references.is_file():
        return Pairs((Pair(_case_of(references, naming), predictions, references),))
    ours = _segmentations(predictions, naming, subfolders=(OURS, "."))
    theirs = _segmentations(references, naming, subfolders=(".",))
    ours = {case: path for case, path in ours.items() if not _same(path, theirs.get(case))}
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        raise NoPairsError(predictions, references)
    return Pairs(
        tuple(Pair(case, ours[case], theirs[case]) for case in both),
        without_prediction=tuple(sorted(theirs.keys() - ours.keys())),
        without_reference=tuple(sorted(ours.keys() - theirs.keys())),
    )


def _segmentations(root: Path, naming: Naming, subfolders: tuple[str, ...]) -> Mapping[str, Path]:
    """Case to its file, from the files in a folder and from the patient folders below it."""
    found: dict[str, Path] = {}
    for path in _in_folder(root, naming, subfolders):
        _add(found, _case_of(path, naming), path)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name != OURS and not folder.name.startswith("."):
            files = _in_folder(folder, naming, subfolders)
            if files:
                _add(found, naming.case(folder.name), _of_patient(folder, files, naming))
    if not found:
        raise SegmentationsNotFoundError(root, "holds no segmentation")
    return MappingProxyType(found)


def _in_folder(folder: Path, naming: Naming, subfolders: Iterable[str]) -> list[Path]:
    """Files named as segmentations in the first subfolder that has any; else undescribed ones."""
    for place in (folder / name for name in subfolders):
        if not place.is_dir():
            continue
        images = [path for path in sorted(place.iterdir()) if _stem(path)]
        for wanted in (True, None):
            files = [path for path in images if naming.is_segmentation(_stem(path)) is wanted]
            if files:
                return files
    return []


def _of_patient(folder: Path, files: list[Path], naming: Naming) -> Path:
    """The only file, or the only one that carries the patient's name."""
    named = [path for path in files if _case_of(path, naming) == naming.case(folder.name)]
    for candidates in (files, named):
        if len(candidates) == 1:
            return candidates[0]
    raise AmbiguousCaseError(naming.case(folder.name), tuple(path.name for path in files))


def _add(found: dict[str, Path], case: str, path: Path) -> None:
    if case in found:
        raise AmbiguousCaseError(case, (found[case].name, path.name))
    found[case] = path


def _case_of(path: Path, naming: Naming) -> str:
    """The file's name without its suffix and without what says that it is a segmentation."""
    stem = _stem(path) or path.name
    return naming.case(_ENDING.sub("", stem) or stem)


def _stem(path: Path) -> str:
    """The name without suffix of a NIfTI file that is not hidden; "" for all else."""
    suffix = next((end for end in _SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is None or path.name.startswith(".") or not path.is_file():
        return ""
    return path.name[: -len(suffix)]


def _same(path: Path, other: Path | None) -> bool:
    return other is not None and path.samefile(other)
