"""Tell the stages of a run to whoever waits for it, and keep their seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Announce: TypeAlias = Callable[[str, float], None]
"""Name of the stage that goes on, and the share of it that is done, in [0, 1]."""


def _silent(_stage: str, _share: float) -> None:
    """Nobody waits."""


@dataclass(slots=True)
class Stages:
    """Announces each stage and keeps its seconds, in the order of the work."""

    announce: Announce = _silent
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Around one stage."""
        self.announce(name, 0.0)
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
