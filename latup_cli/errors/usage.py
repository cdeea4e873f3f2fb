"""Exit code 2: options that cannot be what they are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from latup_cli.errors.base import LatupError


class UsageError(LatupError, ValueError):
    """An option has a value that it cannot have."""

    exit_code = 2


class UnknownNameError(UsageError):
    """Something was named that does not exist, where all names are known."""

    what: ClassVar[str]

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        super().__init__(text, known)
        self.hint = f"Choose one of: {', '.join(known)}."

    def __str__(self) -> str:
        return f"There is no {self.what} '{self.args[0]}'."


class DeviceNameError(UsageError):
    """`--device` names no device."""

    hint = "Use auto, cpu, cuda, or cuda:N for the N-th GPU."

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        return f"There is no device '{self.args[0]}'."


class EngineNameError(UnknownNameError):
    """`--engine` names no engine."""

    what = "engine"


class PrecisionNameError(UnknownNameError):
    """`--precision` names no precision."""

    what = "precision"


class AttentionNameError(UnknownNameError):
    """`--attention` names no attention module."""

    what = "attention module"


class PrecisionPlaceError(UsageError):
    """`--precision` names arithmetic that the engine or device asked for does not have."""

    hint = "Leave out --engine and --device, or use --precision float32."

    def __init__(self, precision: str) -> None:
        super().__init__(precision)

    def __str__(self) -> str:
        return f"Only OpenVINO on the CPU computes in {self.args[0]}."


class FastModelError(UsageError):
    """`--fast` stands beside another choice of model."""

    hint = "Leave out one of them; the variable LATUP_WEIGHTS counts as --weights."

    def __init__(self, other: str) -> None:
        super().__init__(other)

    def __str__(self) -> str:
        return f"--fast and {self.args[0]} name two models."


class UnknownLabelSchemeError(UnknownNameError, KeyError):
    """A label scheme was named that does not exist."""

    what = "label scheme"


class ThreadsError(UsageError):
    """`--threads` is no number of threads."""

    hint = "Use 1 or more, or 0 for as many as are useful."

    def __init__(self, count: int) -> None:
        super().__init__(count)

    def __str__(self) -> str:
        return f"There cannot be {self.args[0]} threads."


class StudyNameError(UsageError):
    """`--name` cannot be part of a file's name."""

    hint = 'Leave out / \\ : * ? " < > | and a dot or space at either end; 120 characters at most.'

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __str__(self) -> str:
        return f"Results cannot be called {self.args[0]!r}."


class ChannelOrderError(UsageError):
    """`--channels` does not name each of the four modalities once."""

    hint = "Name all four in the file's order, such as --channels flair,t1,t1ce,t2."

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        return f"{self.args[0]!r} is no order of T1, T1ce, T2 and FLAIR."


class FileAgainstFolderError(UsageError):
    """A file was given where its counterpart is a folder."""

    hint = "Give two files or two folders."

    def __init__(self, predictions: Path, references: Path) -> None:
        super().__init__(predictions, references)

    def __str__(self) -> str:
        return "Of {} and {}, one is a file and the other is a folder.".format(*self.args)
