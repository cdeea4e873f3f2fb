"""What lies in a DICOM folder: every file's tags, grouped into series and their volumes."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from latup_cli.domain.study import FoundFile
from latup_cli.errors import ImageError
from latup_cli.imaging.dicom import DicomFile, Facts, Frame, read_file
from latup_cli.imaging.dicom_magic import is_dicom
from latup_cli.imaging.dicom_stack import Stack, by_kind, stacked
from latup_cli.intake.dicom_places import dicom_places
from latup_cli.intake.dicom_rules import ASIDE, Verdict, judge

MOST_VOLUMES = 4
"""A series of more volumes over time or b-values is a dynamic one, and no structural image."""

_READERS = 8
_SHORTEST_PRIVATE = 3
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One volume of a series, and what it was taken for.

    Attributes:
        label: What people see, such as "series 5".
        facts: What its tags say.
        verdict: What it was taken for.
        files: Where it lies.
        stack: Its slices in order; None if they make no volume.
        volume: Which of several volumes in the same files.
        problem: Why they make no volume.
    """

    label: str
    facts: Facts
    verdict: Verdict
    files: tuple[Path, ...] = ()
    stack: Stack | None = None
    volume: int | None = None
    problem: ImageError | None = None

    def found(self, reason: str) -> FoundFile:
        """The series as a study's files list it; only for one that makes a volume."""
        files = self.stack.files if self.stack else ()
        path = files[0] if len(files) == 1 else Path(os.path.commonpath([f.parent for f in files]))
        return FoundFile(path, f"{self.label}: {reason}", self.volume, files, self.facts.study)


def read_folder(folder: Path) -> list[DicomFile]:
    """The tags of every DICOM file at any depth, each object once, by their paths.

    What a DICOMDIR lists is not asked: the files themselves say more, and lists grow old.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(_READERS) as pool:
        warnings.simplefilter("ignore")  # here and not in the threads, which share the filters
        places = [path for path in dicom_places(folder) if is_dicom(path)]
        found = [file for file in pool.map(read_file, places) if file is not None]
    return list({_object(file): file for file in reversed(found)}.values())[::-1]


def _object(file: DicomFile) -> tuple[object, ...]:
    """What is the same in every copy, and in no other file even if all share one identifier."""
    return (file.instance, file.facts.series_key, *((f.position, f.kind) for f in file.frames))


def candidates(files: Iterable[DicomFile]) -> list[Candidate]:
    """Every volume of every series, in the order of series numbers."""
    found = [one for _, members in _by_series(files) for one in _volumes(members)]
    return sorted(found, key=_order)


def usable_volumes(files: Iterable[DicomFile], name: Path) -> list[Candidate]:
    """Every volume of every series with pixels, whatever its tags make of it.

    Raises:
        ImageError: If slices make no volume.
    """
    found: list[Candidate] = []
    for _, members in _by_series(files):
        frames = [frame for file in members for frame in file.frames]
        for kind in by_kind(frames):
            verdict = Verdict(ASIDE, "")
            one = Candidate(_label(members[0].facts), members[0].facts, verdict)
            found.append(_placed(one, stacked(name, kind)))
    return found


def private_words(files: Iterable[DicomFile]) -> frozenset[str]:
    """Words of the tags that tell who the patient is, in lower case, with and without signs."""
    words: set[str] = set()
    for facts in {file.facts for file in files}:
        name, number = facts.patient_name.casefold(), facts.patient_id.casefold()
        words |= {*_SEPARATORS.split(name), number, _SEPARATORS.sub("", number)}
        words |= {_SEPARATORS.sub("", name), facts.date}
    return frozenset(word for word in words if len(word) >= _SHORTEST_PRIVATE)


def _by_series(files: Iterable[DicomFile]) -> list[tuple[str, list[DicomFile]]]:
    series: dict[str, list[DicomFile]] = {}
    for file in files:
        series.setdefault(file.facts.series_key, []).append(file)
    return sorted(series.items())


def _order(candidate: Candidate) -> tuple[float, str, int]:
    number = candidate.facts.number
    return (float("inf") if number is None else number, candidate.facts.series,
            candidate.volume or 0)  # fmt: skip


def _volumes(files: list[DicomFile]) -> Iterator[Candidate]:
    """The volumes of one series."""
    facts, label = files[0].facts, _label(files[0].facts)
    frames = [frame for file in files for frame in file.frames]
    kinds = by_kind(frames)
    if not kinds:
        yield Candidate(label, facts, Verdict(ASIDE, _without_pixels(facts)))
    elif len({frame.time for frame in frames}) > MOST_VOLUMES:
        yield Candidate(label, facts, Verdict(ASIDE, "dynamic series"))
    else:
        owners = {file.path: file.facts for file in files}
        for number, kind in enumerate(kinds):
            called = label if len(kinds) == 1 else f"{label}, volume {number + 1}"
            yield _candidate(called, owners[kind[0].path], kind)


def _without_pixels(facts: Facts) -> str:
    return judge(facts).reason if facts.modality != "MR" else "no MR image"


def _candidate(label: str, facts: Facts, frames: list[Frame]) -> Candidate:
    """Judge one volume; its slices are put in order only if it is one of the four."""
    first = frames[0]
    facts = replace(facts, te_ms=first.te_ms, image_type=first.image_type, b_value=first.b_value)
    verdict = judge(facts)
    files = tuple(dict.fromkeys(frame.path for frame in frames))
    found = Candidate(label, facts, verdict, files)
    if verdict.meaning == ASIDE:
        return found
    try:
        return _placed(found, stacked(Path(label), frames))
    except ImageError as problem:
        return replace(found, problem=problem)


def _placed(candidate: Candidate, stack: Stack) -> Candidate:
    return replace(candidate, stack=stack, volume=_number_in_files(stack))


def _number_in_files(stack: Stack) -> int | None:
    """Which volume of its files this is; None if they hold no other."""
    whole = {path: read_file(path) for path in stack.files} if _may_share(stack) else {}
    kinds = by_kind(frame for file in whole.values() if file for frame in file.frames)
    shared = len(kinds) > 1
    return [kind[0].kind for kind in kinds].index(stack.frames[0].kind) if shared else None


def _may_share(stack: Stack) -> bool:
    """Whether a file holds several frames."""
    return len(stack.files) < len(stack.frames)


def _label(facts: Facts) -> str:
    return "a series without number" if facts.number is None else f"series {facts.number}"
