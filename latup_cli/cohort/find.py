"""Find the patients of a study at any depth, and say of every folder why it is none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath

from latup_cli.cohort.ledger import FOLDER
from latup_cli.cohort.names import Outward, told_apart
from latup_cli.domain.cohort import Cohort, Failure, PassedOver, Patient
from latup_cli.domain.privacy import discreet, discreet_file
from latup_cli.domain.study import StudyFiles
from latup_cli.errors import LatupError, NoPatientsError, StudyNotFoundError, UnreachableError

_REPORT = "_report.json"
_BIDS_ASIDE = frozenset({"derivatives", "sourcedata", "code", "stimuli"})
_BIDS_OTHER = frozenset(
    {"func", "dwi", "fmap", "perf", "pet", "meg", "eeg", "ieeg", "beh", "micr", "nirs", "mrs"}
)


@dataclass(frozen=True, slots=True)
class Look:
    """What lies in a folder itself, not below it.

    Attributes:
        images: Images that can be a modality, or whose names tell nothing.
        aside: Segmentations, masks and our own results.
        several: 4-D files of four volumes each, if there is more than one: each is a patient.
        dicom: What tells the DICOM studies apart whose files lie here, such as their UIDs.
    """

    images: int = 0
    aside: int = 0
    several: tuple[Path, ...] = ()
    dicom: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Intake:
    """How one patient is found; handed in, because another stage knows it.

    Attributes:
        look: What lies in a folder.
        find: A folder or a 4-D file to its study.
        find_named: Modality to file to the study of these four.
        meaning: What a word such as a column's heading stands for: a modality, or None.
        name: What a study in this folder is called in outputs, without some private words.
        private: Words of a folder's DICOM tags that tell who the patient is.
        outward: Makes a name one that outputs may carry on every system.
    """

    look: Callable[[Path], Look]
    find: Callable[[Path], StudyFiles]
    find_named: Callable[[Mapping[str, Path]], StudyFiles]
    meaning: Callable[[str], str | None]
    name: Callable[[Path, Iterable[str]], str]
    private: Callable[[Path], frozenset[str]]
    outward: Outward


@dataclass(slots=True)
class _Search:
    """What was found so far below one root."""

    root: Path
    intake: Intake
    patients: list[Patient] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    dicom: dict[str, list[Path]] = field(default_factory=dict)
    seen: set[tuple[int, int]] = field(default_factory=set)
    links: list[Path] = field(default_factory=list)


def find_patients(root: Path, intake: Intake) -> Cohort:
    """Search a folder for patients; links to folders are followed, each folder is seen once.

    Left out, each with its reason: hidden folders, our own results, BIDS derivatives and other
    data types, folders with segmentations only. A folder that cannot be opened is a patient
    with a problem, for it may be one.

    Raises:
        StudyNotFoundError: If there is no such folder.
        NoPatientsError: If nobody is in it.
    """
    if not root.is_dir():
        raise StudyNotFoundError(root)
    search = _Search(root, intake)
    _visit(search, root, inside_patient=False)
    while search.links:  # real folders first, so that a link never takes the place of one
        link = search.links.pop(0)
        if _is_new(search, link):
            _visit(search, link, inside_patient=False, entered=True)
        else:
            _pass_over(search, link, "a link to a folder that was searched already")
    for folder in _dicom_folders(search):
        search.patients.append(_patient(search, folder))
    if not search.patients:
        raise NoPatientsError(root)
    found = sorted(search.patients, key=lambda patient: patient.place)
    private = frozenset[str]().union(*(patient.private for patient in found))
    aside = [
        replace(folder, place=shown_place(folder.place, private))
        for folder in sorted(search.passed_over, key=lambda folder: folder.place)
    ]
    return Cohort(root, told_apart(found, intake.outward), tuple(aside))


def shown_place(place: str, private: Iterable[str] = ()) -> str:
    """A place relative to the study, without names that tell who somebody is.

    Args:
        place: With forward slashes.
        private: Words of DICOM tags that tell it too, in lower case.
    """
    words = frozenset(private)
    *folders, last = PurePosixPath(place).parts or (".",)
    hidden = [discreet(folder, words) for folder in folders]
    return "/".join([*hidden, discreet_file(last, words)])


def unreachable(place: str, error: OSError) -> Failure:
    """The failure of a place that the system does not let us look into."""
    reason = (error.strerror or type(error).__name__).lower()
    return Failure.of(UnreachableError(Path(shown_place(place)), reason))


def _visit(search: _Search, folder: Path, *, inside_patient: bool, entered: bool = False) -> None:
    if not entered and not _is_new(search, folder):
        return
    try:
        folders = _subfolders(folder)
        reason = _why_not(search, folder)
        if reason:
            _pass_over(search, folder, reason)
            return
        look = search.intake.look(folder)
    except OSError as error:
        place = _place(search, folder)
        failure = unreachable(place, error)
        name = search.intake.name(folder, ())
        search.patients.append(Patient(name, place, shown_place(place), folder, problem=failure))
        return
    complete = _take(search, folder, look, inside_patient=inside_patient, leaf=not folders)
    for below in folders:
        if below.is_symlink():
            search.links.append(below)
        else:
            _visit(search, below, inside_patient=inside_patient or complete)


def _take(search: _Search, folder: Path, look: Look, *, inside_patient: bool, leaf: bool) -> bool:
    """Take what lies in a folder; True if it is a complete patient."""
    if look.several:
        search.patients += [_patient(search, path) for path in look.several]
        return True
    if look.images:
        patient = _patient(search, folder)
        if patient.problem and inside_patient:
            _pass_over(search, folder, f"inside a patient's folder; {patient.problem.message}")
            return False
        search.patients.append(patient)
        return patient.problem is None
    for study in look.dicom:
        search.dicom.setdefault(study, []).append(folder)
    if look.aside:
        _pass_over(search, folder, "only segmentations, masks or results")
    elif leaf and not look.dicom:
        _pass_over(search, folder, "no images")
    return False


def _patient(search: _Search, path: Path) -> Patient:
    place = _place(search, path)
    try:
        files = search.intake.find(path)
    except LatupError as error:
        private = search.intake.private(path)
        name, shown = search.intake.name(path, private), shown_place(place, private)
        return Patient(name, place, shown, path, problem=Failure.of(error), private=private)
    shown = shown_place(place, files.private)
    return Patient(files.name, place, shown, path, files, private=files.private)


def _dicom_folders(search: _Search) -> list[Path]:
    """The folder of each DICOM study: the nearest one above all its series.

    DICOM below a patient's images is of that patient, and left out: `latup segment` on the
    folder takes it or leaves it alone. Several exams, each in a folder of its own there, are
    more than that, and stay; but not the one that the patient's images were taken from.
    """
    owners = {one.source: one for one in search.patients if one.problem is None}
    owners.pop(search.root, None)  # images that lie about in a study are no folder's patient
    kept = []
    inside: dict[Path, set[Path]] = {}
    for folder in {_common(folders) for folders in search.dicom.values()}:
        owner = next((place for place in (folder, *folder.parents) if place in owners), None)
        if owner is None:
            kept.append(folder)
        else:
            inside.setdefault(owner, set()).add(folder)
    for owner, exams in inside.items():
        own = {
            exam
            for exam in exams
            if len(exams) == 1 or exam == owner or _is_taken(owners[owner], exam)
        }
        kept += exams - own
        for exam in own - {owner}:
            reason = "DICOM below a patient's images; give this folder itself to use it"
            _pass_over(search, exam, reason)
    return sorted(kept)


def _is_taken(patient: Patient, exam: Path) -> bool:
    """Whether a patient's images were taken from an exam."""
    found = patient.files.modalities.values() if patient.files else ()
    return any(path.is_relative_to(exam) for file in found for path in file.series)


def _common(folders: list[Path]) -> Path:
    return Path(os.path.commonpath([str(folder) for folder in folders]))


def _why_not(search: _Search, folder: Path) -> str:
    """Why a folder and all below it is not searched; "" if it is."""
    if folder == search.root:
        return ""
    name, above = folder.name, folder.parent
    if name in _BIDS_ASIDE and any(above.glob("sub-*/")):
        return "beside the subjects of a BIDS data set; give this folder itself to use it"
    if name in _BIDS_OTHER and above.name.startswith(("sub-", "ses-")):
        return "another data type of BIDS"
    if (folder / FOLDER).is_dir() or name == FOLDER:
        return "results of latup batch"
    return "results of latup segment" if _is_ours(folder) else ""


def _is_ours(folder: Path) -> bool:
    """Whether our report lies here, and not beside the images that it was made from."""
    reports = [path for path in folder.glob(f"*{_REPORT}") if not path.name.startswith(".")]
    inputs = [_inputs_of(path) for path in reports]
    ours = [names for names in inputs if names is not None]
    return bool(ours) and not any((folder / name).is_file() for names in ours for name in names)


def _inputs_of(report: Path) -> list[str] | None:
    """Names of the files that a report of ours was made from; None if it is somebody else's."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(report.read_text(encoding="utf-8"))
        if "schema_version" in content:
            return [PurePath(file["path"]).name for file in content["inputs"]]
    return None


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    return sorted(folder / entry.name for entry in found)


def _is_new(search: _Search, folder: Path) -> bool:
    """Whether a folder was not seen yet, by whatever way it is reached."""
    try:
        status = folder.stat()
    except OSError:
        return True  # whoever opens it says what is wrong
    identity = (status.st_dev, status.st_ino)
    if identity in search.seen:
        return False
    search.seen.add(identity)
    return True


def _place(search: _Search, path: Path) -> str:
    return path.relative_to(search.root).as_posix()


def _pass_over(search: _Search, folder: Path, reason: str) -> None:
    search.passed_over.append(PassedOver(_place(search, folder), reason))
