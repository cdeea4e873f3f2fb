"""A number, its limits, and the verdict."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.finding import Check, Direction, Limit, Range, Verdict, judge

LOW = Limit(bad=Direction.BELOW, warn_at=700.0, refuse_at=400.0)
HIGH = Limit(bad=Direction.ABOVE, warn_at=2000.0, refuse_at=2600.0)
BOTH = Range(low=LOW, high=HIGH)
GRAVITY = list(Verdict)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (300.0, Verdict.REFUSED),
        (400.0, Verdict.REFUSED),
        (600.0, Verdict.WARNING),
        (1400.0, Verdict.OK),
        (2000.0, Verdict.WARNING),
        (2600.0, Verdict.REFUSED),
        (math.nan, Verdict.REFUSED),
    ],
)
def test_a_range_is_judged_on_both_sides(value: float, verdict: Verdict) -> None:
    """Too little and too much are both found, limits included, and not-a-number is the worst."""
    assert judge(value, BOTH) is verdict


@given(st.floats(0.0, 5000.0), st.floats(0.0, 5000.0))
def test_worse_is_never_judged_better(first: float, second: float) -> None:
    """The further a number lies on the bad side, the graver the verdict."""
    less, more = sorted((first, second))
    assert GRAVITY.index(judge(more, HIGH)) >= GRAVITY.index(judge(less, HIGH))
    assert GRAVITY.index(judge(less, LOW)) >= GRAVITY.index(judge(more, LOW))


def test_a_limit_may_only_warn() -> None:
    """Without a threshold for refusal, no number is refused."""
    only = Limit(bad=Direction.ABOVE, warn_at=7.0)
    assert judge(1e9, only) is Verdict.WARNING
    assert judge(1.0, only) is Verdict.OK


@pytest.mark.parametrize(("bad", "warn", "refuse"), [("below", 1.0, 2.0), ("above", 2.0, 1.0)])
def test_a_refusal_comes_after_its_warning(bad: str, warn: float, refuse: float) -> None:
    """Thresholds in the wrong order are an error."""
    with pytest.raises(ValueError, match="before"):
        Limit(bad=Direction(bad), warn_at=warn, refuse_at=refuse)


def test_a_finding_is_plain_data() -> None:
    """A finding states the side that matters, goes to JSON, and has a hint only in trouble."""
    check = Check(name="brain volume", unit="mL", limit=BOTH, hint="Look at it.")
    large, good = (check.finding("", value, "It is.") for value in (2100.0, 1400.0))
    assert (large.warn_at, large.refuse_at, large.hint) == (2000.0, 2600.0, "Look at it.")
    assert good.hint == ""
    assert json.loads(json.dumps(asdict(large)))["verdict"] == "warning"
