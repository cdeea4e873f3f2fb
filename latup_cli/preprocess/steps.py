"""Keep a record of what was done to a study, with its seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from latup_cli.domain.study import Step


@contextmanager
def timed(steps: list[Step], name: str, **settings: object) -> Iterator[dict[str, object]]:
    """Append a step when it is done; nothing if it fails. What it finds may be added meanwhile."""
    started = time.perf_counter()
    yield settings
    steps.append(Step(name, settings, time.perf_counter() - started))
