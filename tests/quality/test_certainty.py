"""How sure the network was of what it outlined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.domain.finding import Verdict
from latup_cli.quality.certainty import check_certainty, expected_dice

SHAPE = (6, 7, 8)


def ball() -> npt.NDArray[np.bool_]:
    """A tumor's outline."""
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[1:5, 2:6, 2:6] = True
    return mask


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [
        (1.0, 0.0, 1.0),
        (0.5, 0.0, 2 * 0.5 / (1 + 0.5)),
        (0.8, 0.1, 2 * 64 * 0.8 / (64 + 64 * 0.8 + (336 - 64) * 0.1)),
    ],
)
def test_dice_that_probabilities_promise(inside: float, outside: float, expected: float) -> None:
    """By hand: a sure network promises 1, doubt inside and tumor missed outside cost."""
    probability = np.where(ball(), inside, outside).astype(np.float32)
    assert expected_dice(ball(), probability) == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_promise_is_kept_on_the_mean(seed: int) -> None:
    """Truths that are drawn by the probabilities have that Dice, up to chance."""
    rng = np.random.default_rng(seed)
    probability = rng.random((16, 16, 16), dtype=np.float32)
    mask = probability > 0.5
    truths = rng.random((20, *mask.shape)) < probability
    scores = [2 * (mask & truth).sum() / (mask.sum() + truth.sum()) for truth in truths]
    assert expected_dice(mask, probability) == pytest.approx(np.mean(scores), abs=0.01)


@pytest.mark.parametrize(
    ("least", "verdict"),
    [(None, Verdict.OK), (0.5, Verdict.OK), (0.7, Verdict.WARNING), (0.9, Verdict.WARNING)],
)
def test_doubt_is_a_warning_below_the_model_s_limit(least: float | None, verdict: Verdict) -> None:
    """The finding holds the promise, a hint only where it is too low; no limit, no warning."""
    probability = np.where(ball(), 0.5, 0).astype(np.float32)
    found = check_certainty("TC", ball(), probability, least)
    assert found is not None
    assert (found.check, found.subject, found.verdict) == ("certainty", "TC", verdict)
    assert found.value == pytest.approx(2 / 3)
    assert "0.67 for TC" in found.meaning
    assert bool(found.hint) == (verdict is Verdict.WARNING)


def test_what_was_not_found_is_not_judged() -> None:
    """An empty mask promises nothing."""
    nothing = np.zeros(SHAPE, dtype=np.bool_)
    assert check_certainty("ET", nothing, nothing.astype(np.float32), 0.4) is None
