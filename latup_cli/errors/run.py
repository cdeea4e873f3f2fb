"""Exit codes 5 to 10: models, devices and outputs."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.base import LatupError


class ModelError(LatupError):
    """The model's files are missing, damaged, or do not belong together."""

    exit_code = 5
    hint = "Reinstall the package, or export the model again with latup train."


class ModelNotFoundError(ModelError, FileNotFoundError):
    """No model of that name, or in that folder."""

    def __init__(self, wanted: Path | str, known: tuple[str, ...] = ()) -> None:
        super().__init__(wanted, known)
        if known:
            self.hint = f"Shipped models: {', '.join(known)}. A trained one: --weights DIR."

    def __str__(self) -> str:
        wanted = self.args[0]
        if isinstance(wanted, str):
            return f"There is no shipped model '{wanted}'."
        return f"There is no model at {wanted}."


class ModelSpecError(ModelError, ValueError):
    """`model.json` lacks a field or has a wrong one."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} does not describe a model: {problem}."


class ModelHashError(ModelError):
    """The weights are not the ones that `model.json` describes."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(path, expected, found)

    def __str__(self) -> str:
        path, expected, found = self.args
        return f"{path} is damaged or exchanged: sha256 {found[:12]}..., not {expected[:12]}...."


class ModelMismatchError(ModelError):
    """The ONNX graph does not have the inputs or outputs that `model.json` promises."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} and its model.json do not match: {problem}."


class PrecisionMissingError(ModelError):
    """The model has no weights for the precision that was asked for."""

    hint = "Use --precision auto, or make them with benchmarks/quantize.py."

    def __init__(self, precision: str) -> None:
        super().__init__(precision)

    def __str__(self) -> str:
        return f"This model has no weights for {self.args[0]}."


class SmallerWindowMissingError(ModelError):
    """The model was measured with one window only, and little memory was asked for."""

    hint = "Leave out --low-memory, or use another model."

    def __init__(self, model: str) -> None:
        super().__init__(model)

    def __str__(self) -> str:
        return f"{self.args[0]} was measured with no smaller window than the one it always uses."


class DeviceError(LatupError, RuntimeError):
    """The device that was asked for cannot be used."""

    exit_code = 6
    hint = "Use --device auto to fall back to the CPU, or run latup doctor."

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(asked, reason)
        self.reason = reason
        if not asked.startswith("cuda"):
            self.hint = "Run latup doctor to see what works on this computer."

    def __str__(self) -> str:
        asked, reason = self.args
        return f"{asked} cannot be used: {reason}."


class DeviceMemoryError(DeviceError, MemoryError):
    """A device has too little memory left for one window."""

    def __init__(self, asked: str) -> None:
        super().__init__(asked, "its memory is full")
        self.args = (asked,)
        if not asked.startswith("cuda"):
            self.hint = "Close other programs, or use a computer with more memory."

    def __str__(self) -> str:
        return f"{self.args[0]} cannot be used: {self.reason}."


class NotEnoughMemoryError(DeviceMemoryError):
    """A run would need more memory than there is, which is known before it starts."""

    def __init__(
        self,
        needed: int,
        free: int,
        window: tuple[int, int, int],
        smaller: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__("cpu")
        self.args = (needed, free, window, smaller)
        self.reason = f"{needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free"
        if smaller:
            sizes = "x".join(map(str, smaller))
            self.hint = (
                f"Close other programs, or use --low-memory: windows of {sizes}, other results."
            )

    def __str__(self) -> str:
        window = " x ".join(map(str, self.args[2]))
        return f"cpu cannot be used: for a window of {window}, {self.reason}."


class OutputExistsError(LatupError, FileExistsError):
    """Results are there already and may not be replaced."""

    exit_code = 7
    hint = "Use --overwrite to replace them, or -o for another folder."

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        # the folders above it may carry a patient's name
        return f"{self.args[0].name} exists already."


class InputReplacedError(OutputExistsError):
    """A file of the study's own lies where a result would."""

    hint = "Use -o for another folder; not even --overwrite replaces it."

    def __str__(self) -> str:
        return f"{self.args[0].name} came with the study, and has the name of a result."


class SampleExistsError(OutputExistsError):
    """There is something where the sample study would be written."""

    hint = "Nothing was written; give another folder, or move that one away."


class OutputError(LatupError):
    """A result cannot be written."""

    exit_code = 10
    hint = "Choose a folder that can be written to with -o, or make room on the disk."

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path} cannot be written: {reason}."


class ReadBackError(OutputError):
    """A file was written without an error and holds something else when it is read again."""

    hint = "The disk or share may be failing; write to another one with -o."

    def __init__(self, path: Path) -> None:
        super().__init__(path, "what was read back differs from what was written")
