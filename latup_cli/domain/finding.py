"""One number that was measured to judge a study, with its limits and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """On which side of a limit a number is bad."""

    BELOW = "below"
    """Too low is bad."""
    ABOVE = "above"
    """Too high is bad."""


class Verdict(StrEnum):
    """What a number means for the run."""

    OK = "ok"
    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measurement and its judgment.

    Attributes:
        check: Short name of the check.
        subject: What was measured, such as a modality; empty for the whole study.
        value: The number.
        unit: Of the value and the limits; empty if there is none.
        warn_at: From here on it is a warning; None if it never is.
        refuse_at: From here on the study is refused; None if it never is.
        verdict: The judgment.
        meaning: One plain sentence for people.
        hint: What to do about it; empty if all is well.
    """

    check: str
    subject: str
    value: float
    unit: str
    warn_at: float | None
    refuse_at: float | None
    verdict: Verdict
    meaning: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Where a number turns odd, and where it cannot be right.

    Attributes:
        bad: The side on which it is bad.
        warn_at: From here on it is a warning; None if it never is.
        refuse_at: From here on the study is refused; None if it never is.

    Raises:
        ValueError: If a refusal would come before its warning.
    """

    bad: Direction
    warn_at: float | None = None
    refuse_at: float | None = None

    def __post_init__(self) -> None:
        if self.warn_at is None or self.refuse_at is None:
            return
        further = self.refuse_at - self.warn_at
        if (further if self.bad is Direction.ABOVE else -further) < 0.0:
            raise ValueError(f"refusing at {self.refuse_at} comes before warning, {self.warn_at}")

    def reached(self, value: float, threshold: float | None) -> bool:
        """Whether a value is at a threshold or beyond it; not-a-number is beyond all."""
        if threshold is None:
            return False
        return not (value < threshold if self.bad is Direction.ABOVE else value > threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A number that may be neither too low nor too high."""

    low: Limit
    high: Limit

    def nearest(self, value: float) -> Limit:
        """The limit that the value violates, or else the low one."""
        return self.high if judge(value, self.high) is not Verdict.OK else self.low


def judge(value: float, limit: Limit | Range) -> Verdict:
    """What a number means; not-a-number is judged as the worst that the limit knows."""
    if isinstance(limit, Range):
        return judge(value, limit.nearest(value))
    if limit.reached(value, limit.refuse_at):
        return Verdict.REFUSED
    return Verdict.WARNING if limit.reached(value, limit.warn_at) else Verdict.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is measured, with its limit and what can be done where it is broken.

    Attributes:
        name: Short name, such as "brain volume".
        unit: Of the value and the limit; empty if there is none.
        limit: Where it is odd, and where it cannot be right.
        hint: What to do where it is not OK.
    """

    name: str
    unit: str
    limit: Limit | Range
    hint: str

    def finding(self, subject: str, value: float, meaning: str) -> Finding:
        """The measurement, judged."""
        side = self.limit.nearest(value) if isinstance(self.limit, Range) else self.limit
        verdict = judge(value, side)
        return Finding(
            check=self.name,
            subject=subject,
            value=float(value),
            unit=self.unit,
            warn_at=side.warn_at,
            refuse_at=side.refuse_at,
            verdict=verdict,
            meaning=meaning,
            hint="" if verdict is Verdict.OK else self.hint,
        )
