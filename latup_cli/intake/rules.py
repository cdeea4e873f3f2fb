"""Which words in a file's name tell what it holds: one table, read by `recognize`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from latup_cli.labels import MODALITIES

SEGMENTATION = "segmentation"
DERIVED = "derived"
"""Neither a modality nor a tumor segmentation: a brain mask, a bias field."""

_SEPARATORS = re.compile(r"[\W_]+")
_TARGETS = frozenset({"to", "onto", "into"})  # FLAIR_to_T1: what follows is where it was moved


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that stand side by side in a file's name, and what they mean.

    Attributes:
        words: Lower case, in order.
        meaning: A modality, `SEGMENTATION` or `DERIVED`.
        source: Whose naming it is.
        also: A word that must stand somewhere before, but not first; "" for none.
    """

    words: tuple[str, ...]
    meaning: str
    source: str
    also: str = ""


_TABLE = (
    # words, apart by commas; a space stands for a separator
    ("t1ce", "t1ce", "BraTS 2017-2021, FeTS, CaPTk"),
    ("t1c", "t1ce", "BraTS 2023-2024, UCSF-PDGM"),
    ("t1gd, t1 gd", "t1ce", "UPenn-GBM, TCGA"),
    ("ct1, ct1w", "t1ce", "HD-GLIO"),
    ("t1wce, t1post, t1contrast, t1km, t1 ce, t1 c, t1 post, t1 contrast", "t1ce", "clinical"),
    ("t1w ce, t1wc, t1w gd, t1w post, cet1, cet1w, ce t1, gd t1", "t1ce", "clinical"),
    ("t1", "t1", "BraTS 2017-2021"),
    ("t1n", "t1", "BraTS 2023-2024"),
    ("t1w", "t1", "BIDS"),
    ("t1native, t1pre, t1 native, t1 pre, t1w pre", "t1", "clinical"),
    ("t2", "t2", "BraTS 2017-2021"),
    ("t2w", "t2", "BraTS 2023-2024, BIDS"),
    ("flair", "flair", "BraTS 2017-2021, BIDS"),
    ("t2f", "flair", "BraTS 2023-2024"),
    ("fl", "flair", "CaPTk"),
    ("fla, flr", "flair", "clinical"),
    ("t2flair, t2wflair, flairt2, t2 flair, t2w flair, flair t2, flair t2w", "flair", "clinical"),
    ("seg", SEGMENTATION, "BraTS"),
    ("segm", SEGMENTATION, "UPenn-GBM, BraTS"),
    ("segmentation, dseg, label, labels, labelmap, glistrboost", SEGMENTATION, "common"),
    ("tumor mask, tumor seg, tumormask", SEGMENTATION, "common"),
    ("braintumormask", SEGMENTATION, "CaPTk, FeTS"),
    ("brain segmentation, parenchyma segmentation, brain seg", DERIVED, "UCSF-PDGM"),
    ("mask, brainmask, bias, probabilities, prob, probs, n4 field", DERIVED, "common"),
)

RULES: tuple[Rule, ...] = (
    *(
        Rule(tuple(words.split()), meaning, source)
        for group, meaning, source in _TABLE
        for words in group.split(", ")
    ),
    Rule(("t1w",), "t1ce", "BIDS", also="ce"),
)
"""Every rule. Of those that match, the one nearest the name's end counts, then the longest."""


_Match: TypeAlias = tuple[int, int, bool, Rule]
"""Where a rule's words end, how many they are, whether it asks for another word, the rule."""


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a file's name says about it.

    Attributes:
        meaning: A modality, `SEGMENTATION` or `DERIVED`.
        reason: Why, for people.
    """

    meaning: str
    reason: str


def recognize(stem: str) -> Recognized | None:
    """Read a file's name without its suffix.

    Words are what stands between `_`, `-`, `.`, spaces and other signs, so that a T1 inside a
    patient's identifier is no match; of several, the last one counts, and a modality that
    names the target of a registration does not.
    """
    words = [word for word in _SEPARATORS.split(stem.casefold()) if word]
    matches = _without_targets(_matches(words), words)
    if not matches:
        return None
    _, _, _, rule = max(matches, key=lambda match: match[:3])
    with_also = f" and '{rule.also}'" if rule.also else ""
    return Recognized(
        rule.meaning, f"name contains '{' '.join(rule.words)}'{with_also} ({rule.source})"
    )


def _matches(words: list[str]) -> list[_Match]:
    """Every place where a rule fits."""
    return [
        (end, len(rule.words), bool(rule.also), rule)
        for rule in RULES
        for end in range(len(rule.words), len(words) + 1)
        if tuple(words[end - len(rule.words) : end]) == rule.words
        and (not rule.also or rule.also in words[1 : end - len(rule.words)])
    ]


def _without_targets(matches: list[_Match], words: list[str]) -> list[_Match]:
    """Leave out modalities after a word such as "to", if one stands before it."""
    target = next((place for place, word in enumerate(words) if word in _TARGETS), len(words))
    if not any(end <= target and rule.meaning in MODALITIES for end, _, _, rule in matches):
        return matches
    return [match for match in matches if match[0] <= target or match[3].meaning not in MODALITIES]
