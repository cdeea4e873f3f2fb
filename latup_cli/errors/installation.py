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
