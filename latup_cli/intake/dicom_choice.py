"""Choose one DICOM series for each modality; every choice keeps its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.study import FoundFile
from latup_cli.domain.volume import Volume
from latup_cli.errors import AmbiguousModalityError
from latup_cli.imaging.dicom import read_file
from latup_cli.imaging.dicom_pixels import read_series
from latup_cli.intake.dicom_contrast import LEAST_GAIN, gain
from latup_cli.intake.dicom_folder import Candidate
from latup_cli.intake.dicom_rules import AGENT, ASIDE, PROTOCOL, T1_LIKE, Verdict
from latup_cli.intake.geometry import holds_a_head
from latup_cli.labels import MODALITIES

_T1_LIKES = frozenset({"t1", "t1ce", T1_LIKE})
_NAMED = "named"
_SPACING_STEP_MM = 0.5  # finer by less is no reason to prefer a series


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was found in a DICOM folder.

    Attributes:
        modalities: Modality to its series; a missing one is left out.
        seen: Every series and what it was taken for, for the message that one is missing.
    """

    modalities: Mapping[str, FoundFile]
    seen: tuple[str, ...]


def choose(candidates: Sequence[Candidate], named: Mapping[str, FoundFile]) -> Chosen:
    """One series for each modality that was not named.

    Of several, whole heads come before slabs, original images before reformatted ones, then
    the smallest voxels' longest edge, then axial, then the later series, a repetition being
    the better one.

    Args:
        candidates: Every volume of every series.
        named: Modality to what was named for it, in the folder or elsewhere: nothing is chosen
            for it, and its series stands for no other modality.

    Raises:
        AmbiguousModalityError: If neither tags nor voxels tell T1 from T1ce.
        ImageError: If the slices of the only series of a modality make no volume.
    """
    settled = _with_t1_told(_with_named(candidates, named), frozenset(named))
    found = {}
    for modality in MODALITIES:
        claims = [one for one in settled if one.verdict.meaning == modality]
        if claims and modality not in named:
            found[modality] = _best(modality, claims)
    return Chosen(found, tuple(f"{one.label} ({_said(one)})" for one in settled))


def _with_named(candidates: Sequence[Candidate], named: Mapping[str, FoundFile]) -> list[Candidate]:
    """The series that were named for a modality are that, whatever their tags say."""
    first = {modality: read_file(file.series[0]) for modality, file in named.items() if file.series}
    keys = {file.facts.series_key: modality for modality, file in first.items() if file}
    return [
        replace(one, verdict=Verdict(keys[one.facts.series_key], _NAMED, by_words=True))
        if one.facts.series_key in keys
        else one
        for one in candidates
    ]


def _said(candidate: Candidate) -> str:
    verdict = candidate.verdict
    return verdict.reason if verdict.meaning == ASIDE else verdict.meaning


def _best(modality: str, claims: Sequence[Candidate]) -> FoundFile:
    usable = [one for one in claims if one.stack is not None]
    if not usable:
        problem = claims[-1].problem
        assert problem is not None  # a volume that could not be put together says why
        raise problem.named(Path(f"{claims[-1].label} ({modality})"))
    best = max(usable, key=_preference)
    others = "" if len(claims) == 1 else f"; preferred to {_others(best, claims)}"
    return best.found(best.verdict.reason + others)


def _others(best: Candidate, claims: Sequence[Candidate]) -> str:
    return ", ".join(one.label for one in claims if one is not best)


def _preference(candidate: Candidate) -> tuple[bool, bool, float, bool, int, str]:
    assert candidate.stack is not None
    grid = candidate.stack.grid
    edge = round(max(grid.spacing_mm) / _SPACING_STEP_MM) * _SPACING_STEP_MM
    original = "DERIVED" not in candidate.facts.image_type
    last = candidate.facts.number or 0
    return holds_a_head(grid), original, -edge, _is_axial(grid), last, candidate.facts.series


def _is_axial(grid: Grid) -> bool:
    return axis_codes(grid)[2] in "IS"


def _with_t1_told(candidates: Sequence[Candidate], named: frozenset[str]) -> list[Candidate]:
    """Decide between T1 and T1ce where the tags left it open.

    A series without a contrast agent's name is a T1 beside one with it. Where all have it, the
    scanner kept it for the whole exam; there, and where none has it, the voxels are asked.
    """
    rivals = [one for one in candidates if one.stack and one.verdict.meaning in _T1_LIKES]
    meanings = {one.verdict.meaning for one in rivals} | (named & _T1_LIKES)
    doubtful = T1_LIKE if T1_LIKE in meanings else "t1ce"
    both = "t1ce" in meanings and len(meanings) > 1
    open_ones = [
        one for one in rivals if one.verdict.meaning == doubtful and not one.verdict.by_words
    ]
    told: dict[int, Candidate] = {}
    if open_ones and not both:
        told = _told(open_ones, sorted(rivals, key=_preference), named)
    return [told.get(id(one)) or _without_agent(one) for one in candidates]


def _told(
    open_ones: Sequence[Candidate], rivals: Sequence[Candidate], named: frozenset[str]
) -> dict[int, Candidate]:
    """Tell T1 from T1ce by voxels, and where they do not, by what was named.

    Raises:
        AmbiguousModalityError: If there is no telling.
    """
    told = _told_by_voxels(open_ones, rivals) if len(rivals) > 1 else {}
    if told:
        return told
    if "t1ce" in named and len(open_ones) == 1:
        return {id(one): _taken_for(one, "t1", "the T1ce was named") for one in open_ones}
    if "t1ce" in named:
        raise AmbiguousModalityError("t1", tuple(one.label for one in open_ones))
    if "t1" not in named and len(rivals) > 1:
        raise AmbiguousModalityError("t1ce", tuple(one.label for one in rivals))
    return {}


def _without_agent(candidate: Candidate) -> Candidate:
    if candidate.verdict.meaning != T1_LIKE:
        return candidate
    return _taken_for(candidate, "t1", "no contrast agent is named")


def _told_by_voxels(
    open_ones: Sequence[Candidate], rivals: Sequence[Candidate]
) -> dict[int, Candidate]:
    """Tell the enhanced series among those that are open by their brightest voxels.

    Returns:
        Nothing if there is no telling.
    """
    volumes = [_read(one) for one in rivals]
    gains = [gain(volume, volumes[-1]) for volume in volumes]
    ranked = sorted(range(len(rivals)), key=lambda n: gains[n])
    steps = [gains[after] - gains[before] for before, after in pairwise(ranked)]
    cut = max(range(len(steps)), key=lambda n: steps[n])
    if steps[cut] < LEAST_GAIN:
        return {}
    enhanced = {id(rivals[n]) for n in ranked[cut + 1 :]}
    return {id(one): _by_voxels(one, enhanced=id(one) in enhanced) for one in open_ones}


def _by_voxels(candidate: Candidate, *, enhanced: bool) -> Candidate:
    if enhanced:
        why = "its brightest voxels are brighter than those of the other T1-weighted series"
        return _taken_for(candidate, "t1ce", why)
    why = "its brightest voxels are darker than those of the other T1-weighted series"
    return _taken_for(candidate, "t1", why)


def _read(candidate: Candidate) -> Volume:
    assert candidate.stack is not None
    return read_series(Path(candidate.label), candidate.stack.files, candidate.volume)


def _taken_for(candidate: Candidate, modality: str, why: str) -> Candidate:
    verdict = candidate.verdict
    reason = verdict.reason.removesuffix(AGENT).removesuffix(PROTOCOL)
    return replace(candidate, verdict=Verdict(modality, f"{reason}, {why}", verdict.by_words))
