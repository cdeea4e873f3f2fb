"""What every error of this package has: an exit code and a hint."""

from __future__ import annotations

from typing import ClassVar


class LatupError(Exception):
    """Something the person at the keyboard can act on.

    The message states what is wrong with which study or file; `hint` says what to do next.
    """

    exit_code: ClassVar[int] = 1
    hint: str = ""
