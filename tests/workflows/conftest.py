"""Whole runs need a model and a study."""

from __future__ import annotations

from tests.fixtures.cohorts import in_this_process
from tests.fixtures.whole_runs import model, no_weights_from_outside, study

__all__ = ["in_this_process", "model", "no_weights_from_outside", "study"]
