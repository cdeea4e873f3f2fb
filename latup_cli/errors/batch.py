"""A study of many patients: what stops the whole run, and workers that die."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.base import LatupError
from latup_cli.errors.run import DeviceError, OutputExistsError
from latup_cli.errors.study import InputError
from latup_cli.errors.usage import UsageError


class PartError(UsageError):
    """`--jobs`, `--num-parts` or `--part-id` has a value that makes no sense."""

    hint = "--part-id counts from 0 and is less than --num-parts; --jobs is at least 1."

    def __init__(self, option: str, value: int) -> None:
        super().__init__(option, value)

    def __str__(self) -> str:
        option, value = self.args
        return f"{option} cannot be {value}."


class NoPatientsError(InputError, FileNotFoundError):
    """Nobody was found in a study."""

    hint = "Each patient needs a folder with T1, T1ce, T2 and FLAIR; --dry-run tells what is there."

    def __init__(self, place: Path) -> None:
        super().__init__(place)

    def __str__(self) -> str:
        return f"No patient was found in {self.args[0]}."


class StudyTableError(InputError):
    """A table of patients cannot be read."""

    hint = "A CSV or TSV needs the columns patient, t1, t1ce, t2, flair; paths from the table."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} cannot be used as a table of patients: {problem}."


class StudyGoneError(InputError, OSError):
    """The study's folder went away while it was worked on."""

    hint = "Bring the disk or share back and run the same command again; it goes on from here."

    def __init__(self, left: int) -> None:
        super().__init__(left)

    def __str__(self) -> str:
        return f"The study's folder is not there any more; {self.args[0]} patients are left."


class InputsChangedError(InputError):
    """A patient's images changed while they were read."""

    hint = "Wait until they have been copied, and run the same command again with --retry-failed."

    def __init__(self, study: str) -> None:
        super().__init__(study)

    def __str__(self) -> str:
        return f"The images of {self.args[0]} changed while they were worked on."


class NotARunError(InputError, FileNotFoundError):
    """`--status` was asked of a folder without a run."""

    hint = "Give the folder that was given to latup batch with -o."

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)

    def __str__(self) -> str:
        return f"{self.args[0]} holds no run of latup batch."


class OtherSettingsError(OutputExistsError):
    """Results that were made with another model or other settings are there."""

    hint = "Use -o for another folder, or --overwrite to replace them."

    def __init__(self, folder: Path, patients: int) -> None:
        super().__init__(folder)
        self.args = (folder, patients)

    def __str__(self) -> str:
        _, patients = self.args
        return (
            f"The output folder holds results of {patients} patients that were made with another "
            "model or other settings."
        )


class MaskChangedError(OutputExistsError):
    """Somebody has changed the mask of a patient since it was written."""

    hint = (
        "To have this patient done anew, move it away. -o takes another folder; --overwrite does "
        "everybody anew, and replaces all corrected masks."
    )

    def __str__(self) -> str:
        return f"{self.args[0].name} was changed since it was written."


class OtherStudyError(OutputExistsError):
    """The mask of a patient of the same name, from other files, is there."""

    hint = (
        "Another study: use -o for another folder. The same patient in new files: move the mask "
        "away to have it done anew; --overwrite does everybody anew."
    )

    def __str__(self) -> str:
        return f"{self.args[0].name} exists already, made from other images in other files."


class BatchFolderError(OutputExistsError):
    """Tables of `latup batch` would be replaced by those of another command."""

    hint = "Use -o for another folder; not even --overwrite replaces tables of latup batch."

    def __str__(self) -> str:
        return "The output folder holds a run of latup batch."


class RunGoesOnError(OutputExistsError):
    """Another run works on the same patients in the same output folder."""

    hint = (
        "Wait for it, or share the work: start every run with the same --num-parts and a "
        "--part-id of its own."
    )

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(folder)
        self.args = (folder, holder)

    def __str__(self) -> str:
        return f"Another run works on these patients: {self.args[1]}."


class WorkerError(LatupError, RuntimeError):
    """A worker process ended by itself while it had a patient."""

    hint = "Run latup segment on this patient; if it fails there too, please report it."

    def __init__(self, status: str) -> None:
        super().__init__(status)

    def __str__(self) -> str:
        return f"The worker died with {self.args[0]}."


class WorkerKilledError(WorkerError, MemoryError):
    """A worker process was killed, most often by the system when memory runs out."""

    exit_code = DeviceError.exit_code
    hint = "Give it more memory, or use fewer --jobs; then run again with --retry-failed."

    def __str__(self) -> str:
        return f"The worker died with {self.args[0]}: out of memory?"


class ClusterError(LatupError, RuntimeError):
    """A Dask cluster cannot be used."""

    exit_code = DeviceError.exit_code
    hint = "Check that the scheduler runs, and that its workers have this version of latup."

    def __init__(self, scheduler: str, reason: str) -> None:
        super().__init__(scheduler, reason)

    def __str__(self) -> str:
        scheduler, reason = self.args
        return f"The cluster at {scheduler} cannot be used: {reason}."


class InterruptedRunError(LatupError):
    """A run was asked to stop; what is done stays done."""

    exit_code = 130
    hint = "Run the same command again; it goes on from here."

    def __init__(self, done: int, left: int) -> None:
        super().__init__(done, left)

    def __str__(self) -> str:
        done, left = self.args
        return f"Interrupted: {done} patients were finished in this run, {left} are left."


class StoppedRunError(LatupError):
    """The output cannot be written any more; what is done stays done."""

    exit_code = 10
    hint = (
        "Make room or bring the disk back, then run the same command again; it goes on from here."
    )

    def __init__(self, reason: str, left: int) -> None:
        super().__init__(reason, left)

    def __str__(self) -> str:
        reason, left = self.args
        return f"{reason} The run has stopped; {left} patients are left."
