"""Ctrl-C: once to finish what is in work, twice to abandon it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(
    first: Callable[[], None] = lambda: None,
    at_once: Collection[int] = (signal.SIGTERM,),
) -> Iterator[threading.Event]:
    """Around a long run.

    Args:
        first: Called after the first signal.
        at_once: Signals that abandon the work; by default SIGTERM, which schedulers send before
            they kill.

    Yields:
        An event that is set by the first Ctrl-C or SIGTERM; the second raises
        `KeyboardInterrupt`.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears signals
        return

    def interrupted(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() or number in at_once:
            raise KeyboardInterrupt
        stop.set()
        first()

    before = {
        number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
