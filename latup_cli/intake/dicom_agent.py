"""Tell by the words of a T1's description whether it was scanned after contrast agent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BEFORE = _set("pre pra prae vor avant before antes")
_AFTER = _set("post after nach apres despues dopo")
_NOT = _set("non not without wo ohne sans senza sem zonder")
_WITH = _set("with w mit m avec con com met")

# Too short or too common to negate anything but an agent that follows at once.
_NOT_OF_AGENTS = _set("no 0 sin un kein av prima")

_AGENTS = _set(
    "gd gad gado gadolinium gadolinio gadolinum contrast contraste contrasto contr kontrast "
    "kontrastmittel ce ce3d km c mdc pdc civ inj injection injected injecte injectee enhanced "
    "enh dotarem gadovist gadavist prohance magnevist multihance omniscan clariscan vueway "
    "elucirem dtpa gadobutrol gadoterate"
)
_GIVEN = _set("mkm nkm postcontrast postgd postgad postgado postcon postkm gdt1 cet1 apc")
_NOT_GIVEN = _set(
    "nativ native nativa natif plain basale noncontrast noncon nongad nonenhanced nocontrast "
    "precontrast pregd pregad pregado precon prekm okm unenhanced t1n wocontrast"
)
_ABBREVIATED = _set("con cont")  # of contrast, after a word that needs one
_AND = _set("and und u et e y")
_FILLERS = _set("iv i v any the of de di del du d medio mezzo produit")

# None of these can be left out of a scan: a negation in front of them means the agent.
_NO_OBJECTS = _set(
    "ax axial tra trans transv transversal transverse sag sagittal cor coronal t1 t1w se fse tse "
    "3d 2d mprage spgr bravo brain head"
)

# What else a scan may come before or after.
_EVENTS = re.compile(
    r"(?:op|ops|rt|rad|tx|bx|qx|iq|srs|gk|gamma|dbs|tpa|mortem|ictal|partum|scan|shunt|proc|"
    r"(?:oper|surg|radi|chemo|treat|therap|rese[ck]t|biops|chir|quir|interv|process|embol|coil|"
    r"clip|implant|trauma|sat|plan|bestrahl)[a-z]*)"
)

_WORDS = re.compile(r"\d+[.,_]\d+|[^\W_]+")  # the zero of 1.0 is no "0 gad"
_START, _END = r"(?<![a-z0-9])", r"(?![a-z0-9])"
_NAMES = "|".join(sorted(_AGENTS, key=len, reverse=True))
_PLUS, _MINUS = "plusagent", "minusagent"
_SIGNS: tuple[tuple[str, str], ...] = (
    (rf"{_START}w ?[/\\-] ?o(?:ut)?{_END}", "without"),
    (rf"{_START}s ?/ ?(?=(?:{_NAMES}){_END})", "sans "),
    (rf"{_START}o[. ]*(?=km{_END})", "ohne "),
    (rf"{_START}v[. ]*(?=km{_END})", "vor "),
    (rf"{_START}(t1w?)(?=(?:c|ce|gd|gad|gado|km|post|pre){_END})", r"\1 "),
    (rf"(?:{_START}c ?)?(?:\+ ?/ ?-|\+-(?=[ck]\b))(?: ?(?:{_NAMES}){_END})?", " "),  # open
    (rf"\+ ?(?:{_NAMES}|k){_END}|{_START}c ?\+", f" {_PLUS} "),
    (rf"{_START}c-{_END}", f" {_MINUS} "),
)
_DASH = re.compile(rf"([a-z0-9]*)([)\]]?\s*-\s*)({_NAMES}|k)(?![a-z0-9+-])")
_SHOWN = {_PLUS: "+C", _MINUS: "-C"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a text says about contrast agent.

    Attributes:
        given: Whether the scan came after it.
        words: What says so, in words of ours: a text may tell who the patient is.
    """

    given: bool
    words: str


@dataclass(frozen=True, slots=True)
class _Signs:
    """What was met so far, in both directions, and whether the agent itself was named."""

    given: str = ""
    not_given: str = ""
    after: str = ""
    before: str = ""


def said_of_agent(text: str) -> Said | None:
    """Whether a description says with or without agent; None if it says neither or both.

    A negation counts where it is the agent's: "pre gad", "w/o contrast", "C-", or where nothing
    follows that it could belong to. Without fat saturation, before surgery and the like say
    nothing of the agent. A dash is a minus right before a short agent and after a space
    ("T1 -C"), a hyphen after a word ("T1-Gd"), and else may be either ("T1-C", "T1 - Gd").
    """
    words = _words(text)
    signs, at = _Signs(), 0
    while at < len(words):
        signs, at = _next(words, at, signs)
    if signs.not_given and not signs.given:  # beats a mere "post", which may be after surgery
        return Said(given=False, words=signs.not_given)
    given, not_given = signs.given or signs.after, signs.not_given or signs.before
    if bool(given) == bool(not_given):
        return None
    return Said(given=bool(given), words=given or not_given)


def _words(text: str) -> list[str]:
    """In lower case, without accents, the signs for with and without as words."""
    plain = unicodedata.normalize("NFKD", text.replace("±", "+/-")).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    for pattern, word in _SIGNS:
        plain = re.sub(pattern, word, plain)
    words = _WORDS.findall(_DASH.sub(_dash, plain))
    return [_in_full(words, at) for at in range(len(words))]


def _dash(found: re.Match[str]) -> str:
    """A minus, a hyphen, or one that may be either, of which nothing is left."""
    before, dash, agent = found.groups()
    hyphen = bool(before) and not dash[0].isspace()
    if before in _BEFORE | _AFTER | _NOT | _WITH or (hyphen and agent not in {"c", "k"}):
        return found[0]
    minus = not hyphen and dash.endswith("-") and agent in {"c", "k", "km", "gd"}
    return f"{before} {_MINUS if minus else ''} "


def _in_full(words: Sequence[str], at: int) -> str:
    """The word there; "con" is contrast in "non con", and with in "con gado"."""
    word, before, after = words[at], words[at - 1 : at], words[at + 1 : at + 2]
    needed = {*before} & (_BEFORE | _AFTER | _NOT | {"w", "with"})
    if word in _ABBREVIATED and needed and not {*after} & (_AGENTS | _FILLERS):
        return "contrast"
    return word


def _next(words: Sequence[str], at: int, signs: _Signs) -> tuple[_Signs, int]:
    """What the word there adds, and where to go on."""
    word = words[at]
    if word in _GIVEN | _AGENTS or word == _PLUS:
        return replace(signs, given=_SHOWN.get(word, word)), at + 1
    if word in _NOT_GIVEN or word == _MINUS:
        return replace(signs, not_given=_SHOWN.get(word, word)), at + 1
    if word in _BEFORE | _AFTER | _NOT | _WITH | _NOT_OF_AGENTS:
        return _with_object(words, at, signs)
    return signs, at + 1


def _with_object(words: Sequence[str], at: int, signs: _Signs) -> tuple[_Signs, int]:
    """What a preposition or negation adds, together with what it belongs to."""
    word, second = words[at], _past(words, at + 1, _AND)
    if _opposed(word, _at(words, second)) and not _is_event(words, second + 1):
        there = _past(words, second + 1, _FILLERS)  # "with and without contrast"
        return signs, there + (_at(words, there) in _AGENTS)
    there = _past(words, at + 1, _FILLERS)
    following = _at(words, there)
    if following in _AGENTS:
        phrase = f"{word} {following}"
        if word in _AFTER | _WITH:
            return replace(signs, given=phrase), there + 1
        return replace(signs, not_given=phrase), there + 1
    if word in _AFTER and not _is_event(words, at + 1):
        signs = replace(signs, after=word)
    if word in _BEFORE and not _is_event(words, at + 1):
        signs = replace(signs, before=word)
    if word in _NOT and _may_mean_the_agent(following):
        signs = replace(signs, before=word)
    return signs, at + 1


def _opposed(word: str, other: str) -> bool:
    """Whether two words of a pair leave it open: with and without, before and after."""
    pair, no = {word, other}, _NOT | _NOT_OF_AGENTS
    return any(pair & ones and pair & others for ones, others in ((_BEFORE, _AFTER), (no, _WITH)))


def _is_event(words: Sequence[str], start: int) -> bool:
    return _EVENTS.fullmatch(_at(words, _past(words, start, _FILLERS))) is not None


def _may_mean_the_agent(following: str) -> bool:
    """Whether a negation without an agent may still mean it, by what follows."""
    opposite = following in _AFTER | _GIVEN or following == _PLUS
    return opposite or not following or following in _NO_OBJECTS or following[0].isdigit()


def _past(words: Sequence[str], start: int, skipped: frozenset[str]) -> int:
    """The next place with another word than these."""
    return next((n for n in range(start, len(words)) if words[n] not in skipped), len(words))


def _at(words: Sequence[str], place: int) -> str:
    return words[place] if place < len(words) else ""
