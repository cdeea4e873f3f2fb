"""Whole runs need a model and a study."""

from __future__ import annotations

from tests.fixtures.whole_runs import model, no_weights_from_outside, study

__all__ = ["model", "no_weights_from_outside", "study"]
