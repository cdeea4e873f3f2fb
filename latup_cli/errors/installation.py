"""Exit codes 1 and 11: parts of the installation that are missing."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.base import LatupError


class SampleMissingError(LatupError, FileNotFoundError):
    """The sample study did not come with this installation."""

    hint = "Reinstall the package; the sample is part of it."

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"There is no sample study at {self.args[0]}."


class ExtraMissingError(LatupError, ImportError):
    """A command needs a package that the base install does not bring."""

    exit_code = 11

    def __init__(self, command: str, extra: str) -> None:
        super().__init__(command, extra)
        self.hint = f'pip install "latup[{extra}]"'

    def __str__(self) -> str:
        command, extra = self.args
        return f"{command} needs the extra '{extra}', which is not installed."


class ProgramMissingError(LatupError, FileNotFoundError):
    """A program of somebody else was asked for and is not installed."""

    exit_code = 11

    def __init__(self, program: str, install: str) -> None:
        super().__init__(program, install)
        self.hint = install

    def __str__(self) -> str:
        return f"{self.args[0]} is not installed, or not on the PATH."


class ProgramFailedError(LatupError, RuntimeError):
    """A program of somebody else is installed and does not do its work."""

    exit_code = 11

    def __init__(self, program: str, problem: str, command: str) -> None:
        super().__init__(program, problem, command)
        self.hint = f"Find out by hand what it lacks: {command}"

    def __str__(self) -> str:
        program, problem, _ = self.args
        return f"{program} failed: {problem}."
