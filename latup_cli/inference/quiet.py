"""Keep what native libraries print off the user's screen, and let us read what Python ones do."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

_STDOUT, _STDERR = 1, 2


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Silence standard output and error, at the level of the operating system too.

    Yields:
        What Python code prints meanwhile. The lines of C++ libraries are gone.
    """
    printed = io.StringIO()
    with ExitStack() as stack:
        for descriptor in (_STDOUT, _STDERR):
            stack.enter_context(_to_nowhere(descriptor))
        stack.enter_context(redirect_stdout(printed))
        stack.enter_context(redirect_stderr(printed))
        yield printed


@contextmanager
def _to_nowhere(descriptor: int) -> Iterator[None]:
    try:
        kept = os.dup(descriptor)
    except OSError:  # a program without a console has none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
