"""The learning rate over a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.schedule import learning_rate
from latup_cli.training.settings import TrainSettings
from tests.properties.strategies import LAW

RUN = TrainSettings(steps=100, warmup_steps=10, learning_rate=2e-3, final_rate_share=0.01)
RATES = [learning_rate(step, RUN) for step in range(RUN.steps + 1)]


def test_warm_up_rises_in_equal_steps_to_the_peak() -> None:
    """The first step already learns, and the tenth learns at the peak."""
    assert RATES[:10] == pytest.approx([2e-4 * (n + 1) for n in range(10)])


def test_after_the_warm_up_it_only_falls() -> None:
    """Half a cosine from the peak: slow, fast, slow, without a step upward."""
    falling = RATES[10:]
    assert falling[0] == pytest.approx(2e-3)
    assert all(later < earlier for earlier, later in pairwise(falling))
    assert RATES[55] == pytest.approx((2e-3 + 2e-5) / 2)


def test_it_ends_at_the_floor() -> None:
    """At the end, and beyond it, the rate is the final share of the peak."""
    assert RATES[-1] == pytest.approx(2e-5)
    assert learning_rate(1000, RUN) == pytest.approx(2e-5)


@given(
    st.integers(1, 500),
    st.integers(0, 600),
    st.integers(0, 1000),
    st.floats(1e-6, 1.0),
    st.floats(0.0, 1.0),
)
@LAW
def test_it_is_never_0_nor_above_the_peak(
    steps: int, warmup: int, step: int, peak: float, share: float
) -> None:
    """Whatever the settings, a rate is positive in the run and at most the peak."""
    run = TrainSettings(
        steps=steps, warmup_steps=warmup, learning_rate=peak, final_rate_share=share
    )
    assert 0.0 <= learning_rate(step, run) <= peak * (1 + 1e-12)
    if step < steps:
        assert learning_rate(step, run) > 0.0


def test_a_run_may_start_at_the_peak() -> None:
    """Without warm-up the first step has the full rate."""
    assert learning_rate(0, TrainSettings(warmup_steps=0)) == TrainSettings().learning_rate
