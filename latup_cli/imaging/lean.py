"""Import a library without an optional one that it would pull in and that is not used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """While this is open, importing a module fails as if it were not installed.

    A module that has been imported already stays, and afterwards it can be imported as ever.

    Args:
        name: The module's full name, such as "pydicom".
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
