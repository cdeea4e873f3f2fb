"""Tell from a DICOM series' tags which modality it is, or why it is none; with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from latup_cli.imaging.dicom import Facts
from latup_cli.intake.dicom_agent import said_of_agent

T1_LIKE = "t1-like"
"""T1-weighted, and the tags do not say whether contrast agent was in the blood."""

ASIDE = "aside"
"""None of the four modalities."""

AGENT = ", a contrast agent is named"
"""How the reason of a series ends that is a T1ce by its tag only."""

PROTOCOL = ", its protocol names a contrast agent"
"""How the reason of a series ends that is a T1ce by its protocol only."""

# Milliseconds. T1 weighting needs a short echo time, T2 weighting a long one; between them is
# proton density. FLAIR nulls fluid at 1.7 s and later, STIR fat at 0.1 to 0.25 s, and T1
# preparation (MPRAGE, T1 FLAIR) lies between.
LONGEST_T1_TE = 45.0
SHORTEST_T2_TE = 60.0
SHORTEST_T2_TR = 1500.0
LONGEST_T1_TR = 1500.0
SHORTEST_FLAIR_TR = 6000.0
LONGEST_GRADIENT_TE = 12.0  # a gradient echo after more is weighted by susceptibility
FLAIR_TI = (1500.0, 3500.0)
T1_TI = (350.0, 1500.0)

_SEPARATORS = re.compile(r"[\W_]+")
_STAR = re.compile(r"t2 ?\*")

_ASIDE_IMAGES = {
    "LOCALIZER": "localizer", "ADC": "diffusion", "DIFFUSION": "diffusion", "TRACEW": "diffusion",
    "TRACE": "diffusion", "FA": "diffusion", "TENSOR": "diffusion", "MOSAIC": "echo-planar series",
    "PERFUSION": "perfusion", "CBF": "perfusion", "CBV": "perfusion", "RCBV": "perfusion",
    "RCBF": "perfusion", "MTT": "perfusion", "TTP": "perfusion", "PBP": "perfusion",
    "ASL": "perfusion", "FMRI": "functional series", "MIP": "projection", "MAX_IP": "projection",
    "MNIP": "projection", "MIN_IP": "projection", "PROJECTION IMAGE": "projection",
    "SUBTRACTION": "subtraction", "SUB": "subtraction", "P": "phase image", "PHASE": "phase image",
    "PHASE MAP": "phase image", "PHASE_MAP": "phase image", "VELOCITY": "phase image",
    "SWI": "susceptibility", "T1 MAP": "map", "T2 MAP": "map", "T2_STAR MAP": "map",
    "T2MAP": "map", "T1MAP": "map", "FIELD_MAP": "map", "B0": "map", "B0 MAP": "map",
}  # fmt: skip

_ASIDE_WORDS = {
    "localizer": "localizer localiser loc scout survey plane 3plane 3pl aahead aascout smartbrain",
    "calibration": "cal calibration asset refscan prescan shim",
    "diffusion": "adc dwi dti diff diffusion trace tracew tensor b0 b1000 b500 ep2d epi fa "
    "colfa dadc eadc",
    "perfusion": "perf perfusion dsc dce cbf cbv rcbf rcbv mtt ttp tmax asl pcasl pwi ktrans",
    "functional series": "bold fmri resting",
    "susceptibility": "swi swan venbold hemo heme t2star medic",
    "angiography": "tof mra mrv angio pca inhance trufi ciss fiesta",
    "projection": "mip minip mips",
    "subtraction": "sub subtr subtraction subtracted",
    "spectroscopy": "mrs spectro spectroscopy press csi",
    "map": "map maps fieldmap mapping",
    "fat image": "stir",
    "another part of the body": "spine cspine tspine lspine cervical thoracic lumbar neck orbit "
    "orbits pituitary sella iac iacs tmj",
}  # fmt: skip
_ASIDE_OF = {word: kind for kind, words in _ASIDE_WORDS.items() for word in words.split()}

_FLAIR = frozenset(["flair", "darkfluid", "t2f", "fla", "flr"])
_T2 = frozenset(["t2", "t2w", "t2wi", "t2tse", "t2fse"])
_T1 = frozenset(
    [
        "t1",
        "t1w",
        "t1wi",
        "t1ce",
        "t1c",
        "t1gd",
        "t1post",
        "t1n",
        "t1pre",
        "mprage",
        "mpr",
        "mp2rage",
        "bravo",
        "spgr",
        "fspgr",
        "vibe",
        "thrive",
        "tfl",
        "tfl3d",
        "mpr3d",
        "t1se",
        "t1tse",
        "t1ffe",
        "t1tfe",
        "gdt1",
        "tfe",
        "flash",
    ]
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a series is taken for.

    Attributes:
        meaning: A modality, `T1_LIKE` or `ASIDE`.
        reason: Why, for people, in words of ours and numbers: nothing is quoted from the tags.
        by_words: Whether a T1 is told from a T1ce by the series' description.
    """

    meaning: str
    reason: str
    by_words: bool = False


def judge(facts: Facts) -> Verdict:
    """What a series is, from its tags alone.

    Kinds of images that are no structural series are known first. Then the weighting follows
    from the declared contrast or the times of the pulse sequence, and where these are missing
    from known words in description, protocol and sequence name. Without an inversion time, the
    times of a FLAIR are those of a T2, and its own description comes first. Whether a T1 is
    contrast-enhanced is asked of the words first, because scanners keep the agent's name for
    later series.
    """
    description, protocol, *sequence = facts.texts
    words = _words(description or protocol) | _words(" ".join(sequence))
    aside = _no_modality(facts, words)
    if aside:
        return Verdict(ASIDE, aside)
    timed, why_timed = _by_times(facts)
    named, why_named = _by_words(words, timed)
    if timed == "t2" and not facts.ti_ms and _is_called_flair(description):
        return Verdict("flair", f"{why_named}, and no inversion time is given")
    if not named:  # of a whole exam, some scanners write one protocol into every series
        named, why_named = _by_words(_words(protocol), timed)
    weighting = timed or named
    if weighting in {"", ASIDE}:
        return Verdict(ASIDE, why_timed or "neither its times nor its description tell a modality")
    said = [why for found, why in ((timed, why_timed), (named, why_named)) if found == weighting]
    reason = " and ".join(said)
    if named and timed and timed != named:
        reason += f", although its description says {named.upper()}"
    return _with_agent(facts, reason) if weighting == "t1" else Verdict(weighting, reason)


def _with_agent(facts: Facts, reason: str) -> Verdict:
    """T1ce or T1, where anything says so.

    Some scanners write the protocol of the whole exam into every series: it is asked last, only
    where there is no description, and voxels may overrule it.
    """
    description, protocol = facts.texts[:2]
    said = said_of_agent(description)
    if said is not None:
        meaning = "t1ce" if said.given else "t1"
        return Verdict(meaning, f"{reason}, description contains '{said.words}'", by_words=True)
    if facts.agent:
        return Verdict("t1ce", f"{reason}{AGENT}")
    said = None if description else said_of_agent(protocol)
    if said is not None and said.given:
        return Verdict("t1ce", f"{reason}{PROTOCOL}")
    return Verdict(T1_LIKE, reason)


def _no_modality(facts: Facts, words: frozenset[str]) -> str:
    """Why a series is none of the four, empty if nothing says so."""
    if facts.modality != "MR":
        return f"modality {facts.modality or 'not given'}"
    return _other_object(facts) or _other_contrast(facts, words)


def _other_object(facts: Facts) -> str:
    if "MR" not in facts.sop_class or "Spectroscopy" in facts.sop_class:
        return "no MR image"
    if not facts.is_gray:
        return "colored or inverted picture"
    return ""


def _other_contrast(facts: Facts, words: frozenset[str]) -> str:
    marks = [kind for mark, kind in _ASIDE_IMAGES.items() if mark in facts.image_type[2:]]
    if marks:
        return marks[0]
    if facts.b_value > 0:
        return "diffusion"
    if "EP" in facts.sequences:
        return "echo-planar series"
    return next((_ASIDE_OF[word] for word in sorted(words) if word in _ASIDE_OF), "")


_DECLARED = {"FLUID_ATTENUATED": "flair", "T1": "t1", "T2": "t2"}


def _by_times(facts: Facts) -> tuple[str, str]:
    """The weighting by declared contrast or times ("" if they are missing), and why."""
    declared = _DECLARED.get(facts.weighting, "")
    if declared:
        return declared, f"acquisition contrast {facts.weighting}"
    said = ", ".join(
        f"{name} {value:.0f} ms"
        for name, value in (("TE", facts.te_ms), ("TR", facts.tr_ms), ("TI", facts.ti_ms))
        if value
    )
    found = next((meaning for meaning, holds in _TIMES if holds(facts)), "")
    return found, f"{said} ({_CALLED[found]})" if found else ""


_CALLED = {
    "flair": "FLAIR",
    "t2": "T2 weighting",
    "t1": "T1 weighting",
    ASIDE: "neither T1 nor T2 weighting",
}


def _is_flair(facts: Facts) -> bool:
    if (facts.te_ms or 0.0) < SHORTEST_T2_TE:
        return False
    if facts.ti_ms:
        return _within(facts.ti_ms, FLAIR_TI)
    return "IR" in facts.sequences and (facts.tr_ms or 0.0) >= SHORTEST_FLAIR_TR


def _is_t2(facts: Facts) -> bool:
    long_echo = (facts.te_ms or 0.0) >= SHORTEST_T2_TE
    return (
        long_echo
        and (facts.tr_ms or 0.0) >= SHORTEST_T2_TR
        and not facts.ti_ms
        and "IR" not in facts.sequences
    )


def _is_t1(facts: Facts) -> bool:
    if facts.te_ms is None or facts.te_ms > LONGEST_T1_TE:
        return False
    if "GR" in facts.sequences and "SE" not in facts.sequences:
        return facts.te_ms <= LONGEST_GRADIENT_TE
    short = facts.tr_ms is not None and 0 < facts.tr_ms <= LONGEST_T1_TR
    return short or _within(facts.ti_ms, T1_TI)


def _is_between(facts: Facts) -> bool:
    """A proton density or susceptibility series: times are there and fit none of the others."""
    if facts.te_ms is None or facts.tr_ms is None or not facts.sequences:
        return False
    return facts.te_ms < SHORTEST_T2_TE and not facts.ti_ms and "IR" not in facts.sequences


_TIMES: tuple[tuple[str, Callable[[Facts], bool]], ...] = (
    ("flair", _is_flair),
    ("t2", _is_t2),
    ("t1", _is_t1),
    (ASIDE, _is_between),
)


def _by_words(words: frozenset[str], timed: str) -> tuple[str, str]:
    """The weighting by words ("" if there are none), and why."""
    flair, t2, t1 = (sorted(words & known) for known in (_FLAIR, _T2, _T1))
    if {"dark", "fluid"} <= words:
        flair.append("dark fluid")
    if flair and t1 and timed == "t1":  # an inversion recovery of GE, called T1 FLAIR
        return "t1", _contains(t1)
    for meaning, known in (("flair", flair), ("t2", t2), ("t1", t1)):
        if known:
            return meaning, _contains(known)
    return "", ""


def _is_called_flair(description: str) -> bool:
    return _by_words(_words(description), "")[0] == "flair"


def _contains(known: list[str]) -> str:
    return f"description contains '{known[0]}'"


def _words(text: str) -> frozenset[str]:
    """Lower-case words; "T2*" counts as a word too."""
    text = text.casefold()
    words = {word for word in _SEPARATORS.split(text) if word}
    return frozenset(words | {"t2star"} if _STAR.search(text) else words)


def _within(value: float | None, limits: tuple[float, float]) -> bool:
    return value is not None and limits[0] <= value <= limits[1]
