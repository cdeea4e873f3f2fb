"""Ctrl-C: once to finish what is in work, twice to abandon it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(first: Callable[[], None]) -> Iterator[threading.Event]:
    """Around a long run. SIGTERM, which schedulers send before they kill, abandons at once.

    Args:
        first: Called after the first Ctrl-C.

    Yields:
        An event that is set by the first Ctrl-C; the second raises `KeyboardInterrupt`.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears signals
        return

    def interrupted(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() or number == signal.SIGTERM:
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
