"""Exit code 12: training cannot start or go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from latup_cli.errors.base import LatupError
from latup_cli.errors.run import OutputExistsError


class TrainingError(LatupError):
    """Training cannot start or go on."""

    exit_code = 12


class NothingToTrainOnError(TrainingError):
    """No labelled case, or none left on one side of the split."""

    hint = "Give folders of patients with four modalities and a seg file each."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class SharedPatientError(TrainingError, ValueError):
    """Scans of one patient are on both sides of the split."""

    hint = "Leave all scans of a patient on one side; --val takes patients of its own."

    def __init__(self, training: str, validation: str) -> None:
        super().__init__(training, validation)

    def __str__(self) -> str:
        training, validation = self.args
        if training == validation:
            return f"{training} is on both sides of the split."
        return f"One patient is on both sides of the split: {training} and {validation}."


class DivergedError(TrainingError, ArithmeticError):
    """The loss is no longer a number; the last checkpoint is intact."""

    hint = "Lower learning_rate in train.toml; the run goes on from its last checkpoint."

    def __init__(self, step: int) -> None:
        super().__init__(step)

    def __str__(self) -> str:
        return f"The loss became not-a-number at step {self.args[0]}."


class TrainingSettingsError(TrainingError, ValueError):
    """A settings file is not what training needs."""

    exit_code = 3
    hint = "Every setting is described in latup_cli/training/settings.py and in README."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} is not a training configuration: {problem}."


class UnusedSourceError(TrainingError, ValueError):
    """A setting asks for what was not given, or what was given is asked for by no setting."""

    exit_code = 3

    def __init__(self, setting: str, option: str, *, given: bool) -> None:
        super().__init__(setting, option, given)
        self.hint = f"Give --{option}, or set {setting} to 0."
        if given:
            self.hint = f"Leave out --{option}, or set {setting}."

    def __str__(self) -> str:
        setting, option, given = self.args
        if given:
            return f"There is --{option}, but {setting} is 0 in the settings: it would not be used."
        return f"The settings ask for {setting}, but there is no --{option}."


class CheckpointError(TrainingError):
    """A checkpoint or source model cannot be used."""

    hint = "Start from another checkpoint, or from a shipped model with --init."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} cannot be used: {problem}."


class OtherNetworkError(CheckpointError):
    """Weights are those of another network than the settings describe."""

    hint = (
        "Set filters, deep_filters, fold and attention as they were, in --config; those of the "
        "shipped models stand in weights/<name>/train.toml."
    )

    def __init__(self, path: Path, differing: Mapping[str, tuple[object, object]]) -> None:
        super().__init__(path, "")
        self.args = (path, dict(differing))

    def __str__(self) -> str:
        path, differing = self.args
        facts = ", ".join(
            f"{name} {there}, not {here}" for name, (there, here) in differing.items()
        )
        return f"{path} holds another network than the settings describe: {facts}."


class OtherSplitError(CheckpointError):
    """A run would go on with other patients to train on, or to choose weights by."""

    hint = (
        "Give the folders, --val, --val-share, --folds, --fold and seed that the run began with, "
        "or train in another directory."
    )

    def __init__(self, path: Path, patients: Sequence[str]) -> None:
        super().__init__(path, "")
        self.args = (path, tuple(patients))

    def __str__(self) -> str:
        path, (first, *others) = self.args
        more = f" and {len(others)} more" if others else ""
        return (
            f"{path} is of a run that divided the patients otherwise: {first}{more} would change "
            "sides, come or go."
        )


class TrainingGoesOnError(OutputExistsError):
    """Another process trains in the same run directory."""

    hint = "Wait for it, end it, or train in another directory."

    def __init__(self, run_dir: Path, holder: str) -> None:
        super().__init__(run_dir)
        self.args = (run_dir, holder)

    def __str__(self) -> str:
        return f"Another process trains in {self.args[0]}: {self.args[1]}."


class PreparationInterruptedError(TrainingError):
    """A run was asked to stop before its first step."""

    exit_code = 130
    hint = "Run the same command again; patients that are prepared are kept."

    def __str__(self) -> str:
        return "Interrupted while patients were prepared."


class TrainingInterruptedError(TrainingError):
    """A run was asked to stop; its last checkpoint holds every step."""

    exit_code = 130
    hint = "Run the same command again; it goes on from here."

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(step, steps)

    def __str__(self) -> str:
        step, steps = self.args
        return f"Interrupted after step {step} of {steps}; there is a checkpoint."


class _TrainingFileError(TrainingError, ValueError):
    """A file that training was told to draw from holds something else."""

    exit_code = 3
    problem: str

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"{self.args[0]} is not there, or {self.problem}."


class AppearancesError(_TrainingFileError):
    """A file is no table of how tumors look."""

    hint = "weights/measure_appearances.py writes one."
    problem = "is no table of how tumors look"


class LesionsError(_TrainingFileError):
    """A file holds no lesions."""

    hint = "weights/cut_lesions.py writes them."
    problem = "holds no lesions"


class ShapesError(_TrainingFileError):
    """A file holds no shapes of tumors."""

    hint = "weights/measure_shapes.py writes them."
    problem = "holds no shapes of tumors"
