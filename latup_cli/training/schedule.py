"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from latup_cli.training.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear warm-up, then half a cosine down to `final_rate_share` of the maximum.

    Args:
        step: Counted from 0.
        settings: The run's settings.
    """
    peak, floor = settings.learning_rate, settings.learning_rate * settings.final_rate_share
    if step < settings.warmup_steps:
        return peak * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return floor + (peak - floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
