"""The channel-swap check: whether the pixels agree with the names T1, T1ce, T2 and FLAIR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from latup_cli.domain.finding import Check, Finding, Verdict
from latup_cli.quality import limits
from latup_cli.quality.coarse import Coarse
from latup_cli.quality.tissue import (
    Order,
    Tissues,
    brightened,
    csf_brighter,
    csf_splits,
    pairs_alike,
    tissues,
)

Evidence = Callable[[Tissues, Order], float]

NAMED: Order = ("t1", "t1ce", "t2", "flair")
_SHOWN = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}

QUESTIONS: tuple[tuple[Check, str, Evidence, str], ...] = (
    (limits.PAIRS, "", pairs_alike, "T1 with T1ce, and T2 with FLAIR, are the pairs most alike"),
    (
        limits.T1_LIKE,
        "",
        csf_splits,
        "CSF looks alike in T1 and T1ce, and different in T2 and FLAIR",
    ),
    (limits.T2_FLAIR, "t2, flair", csf_brighter, "CSF is brighter in T2 than in FLAIR"),
    (limits.T1_T1CE, "t1, t1ce", brightened, "T1ce has what T1 has, and brighter vessels or tumor"),
)
"""What is asked, in this order: each question only makes sense where the last was answered yes."""


def check_channels(images: Coarse, *, slice_mm: float = 0.0) -> tuple[Finding, ...]:
    """Ask the pixels of four images on one grid whether their names are right.

    Positive factors and smooth fields change nothing. The findings end with the first that
    refuses, for what follows would be measured on a wrong premise.

    Args:
        images: All four modalities in the brain, tumor included; intensities as stored, air and
            what was not seen at most 0.
        slice_mm: Thickest slices that any of them was scanned in.

    Raises:
        ValueError: If the brain is empty.
    """
    return judge_order(tissues(images, slice_mm=slice_mm), NAMED)


def judge_order(found: Tissues, order: Order) -> tuple[Finding, ...]:
    """Ask the pixels whether images have the roles T1, T1ce, T2, FLAIR in this order."""
    measured = measure_order(found, order)
    if measured[-1].verdict is not Verdict.REFUSED:
        return measured
    words = _disagreement(order, order_seen(found))
    refused = replace(measured[-1], meaning=f"The names and the pixels disagree: {words}.")
    return (*measured[:-1], refused)


def measure_order(found: Tissues, order: Order) -> tuple[Finding, ...]:
    """What `judge_order` finds, without saying which image is which."""
    seen = limits.SEEN.finding("", found.seen_ml, _about_seen(found.seen_ml))
    if seen.verdict is not Verdict.OK:
        return (seen,)
    findings: list[Finding] = []
    for check, subject, evidence, claim in QUESTIONS:
        finding = check.finding(subject, evidence(found, order), claim)
        findings.append(replace(finding, meaning=_meaning(finding, claim)))
        if finding.verdict is Verdict.REFUSED:
            break
    return tuple(findings)


def order_seen(found: Tissues) -> Order:
    """The order that the pixels speak for: every question is answered yes."""
    a, b, c, d = NAMED
    pairings = (NAMED, (a, c, b, d), (a, d, b, c))
    a, b, c, d = max(pairings, key=lambda order: pairs_alike(found, order))
    if csf_splits(found, (a, b, c, d)) < 0.0:
        a, b, c, d = c, d, a, b
    if csf_brighter(found, (a, b, c, d)) < 0.0:
        c, d = d, c
    if brightened(found, (a, b, c, d)) < 0.0:
        a, b = b, a
    return a, b, c, d


def _meaning(finding: Finding, claim: str) -> str:
    if finding.verdict is Verdict.OK:
        return f"{claim}, as it should be."
    return f"The pixels do not tell whether the names are right; expected: {claim}."


def _disagreement(named: Order, seen: Order) -> str:
    """Which image looks like what, for those that do not look like their name."""
    roles = dict(zip(seen, NAMED, strict=True))
    pairs = [(name, roles[image]) for name, image in zip(NAMED, named, strict=True)]
    wrong = [(_SHOWN[name], _SHOWN[role]) for name, role in pairs if name != role]
    words = [f"what is named {name} looks like {role}" for name, role in wrong]
    return " and ".join(words) or "no order of the four fits well"


def _about_seen(ml: float) -> str:
    return f"All four images show {ml:.0f} mL of the brain, its edge left out."
