"""Every error this package raises on purpose, with its exit code and a hint.

A class takes facts, not sentences, and owns its message. Constructors keep their facts in
`args`, so that an error survives the way through a worker process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self


class LatupError(Exception):
    """Something the person at the keyboard can act on.

    The message states what is wrong with which study or file; `hint` says what to do next.
    """

    exit_code: ClassVar[int] = 1
    hint: str = ""


class SampleMissingError(LatupError, FileNotFoundError):
    """The sample study did not come with this installation."""

    hint = "Reinstall the package; the sample is part of it."

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"There is no sample study at {self.args[0]}."


# --- 2: usage -----------------------------------------------------------------------------


class UsageError(LatupError, ValueError):
    """An option has a value that it cannot have."""

    exit_code = 2


class DeviceNameError(UsageError):
    """`--device` names no device."""

    hint = "Use auto, cpu, cuda, or cuda:N for the N-th GPU."

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        return f"There is no device '{self.args[0]}'."


class EngineNameError(UsageError):
    """`--engine` names no engine."""

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        super().__init__(text, known)
        self.hint = f"Choose one of: {', '.join(known)}."

    def __str__(self) -> str:
        return f"There is no engine '{self.args[0]}'."


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


# --- 3: input -----------------------------------------------------------------------------


class InputError(LatupError, ValueError):
    """The study, its files or its geometry are not what segmentation needs."""

    exit_code = 3


class StudyNotFoundError(InputError, FileNotFoundError):
    """The folder or file that was named does not exist."""

    hint = "Check the path; it must be a folder that holds T1, T1ce, T2 and FLAIR."

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} does not exist or is not a folder."


class GeometryError(InputError):
    """An image's voxel lattice is not what this step needs."""

    hint = "Re-export the series as a 3-D NIfTI without shear."


class UnknownLabelSchemeError(InputError, KeyError):
    """A label scheme was named that does not exist."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.hint = f"Choose one of: {', '.join(known)}."
        self.name = name

    def __str__(self) -> str:
        return f"There is no label scheme '{self.name}'."


class LabelValuesError(InputError):
    """A segmentation holds values that its label scheme does not know."""

    hint = (
        "Name the file's scheme: --labels-predictions or --labels-references (latup evaluate), "
        "--labels-in (latup train)."
    )

    def __init__(self, path: Path | str, values: tuple[int, ...], scheme: str) -> None:
        super().__init__(path, values, scheme)

    def __str__(self) -> str:
        path, values, scheme = self.args
        return f"{path} holds the labels {list(values)}, which {scheme} does not have."


class AmbiguousLabelsError(InputError):
    """The voxel values of segmentations do not say which label scheme they are in."""

    hint = (
        "Name the scheme: --labels-predictions or --labels-references (latup evaluate), "
        "--labels-in (latup train)."
    )

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)

    def __str__(self) -> str:
        file, reason = self.args
        return f"The labels of {file} are ambiguous: {reason}."


class SegmentationsNotFoundError(InputError, FileNotFoundError):
    """A file or folder of segmentations does not exist or holds none."""

    hint = "Give a NIfTI file, or a folder of them, or a folder of patient folders."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} {problem}."


class NoPairsError(InputError):
    """No prediction has a reference."""

    hint = "Name folders or files after the patient: ID/ID_seg.nii.gz, ID_seg.nii.gz, ID.nii.gz."

    def __init__(self, predictions: Path, references: Path) -> None:
        super().__init__(predictions, references)

    def __str__(self) -> str:
        predictions, references = self.args
        return f"No segmentation in {predictions} has a reference in {references}."


class MissingPredictionsError(InputError):
    """References were found that have no prediction."""

    hint = "Use --skip-missing to leave these cases out of every figure."

    def __init__(self, cases: tuple[str, ...]) -> None:
        super().__init__(cases)

    def __str__(self) -> str:
        (cases,) = self.args
        return f"{len(cases)} of the references have no prediction: {', '.join(cases)}."


class AmbiguousCaseError(InputError):
    """Several files could be the segmentation of one case."""

    hint = "Leave one of them there, or compare file with file."

    def __init__(self, case: str, files: tuple[str, ...]) -> None:
        super().__init__(case, files)

    def __str__(self) -> str:
        case, files = self.args
        return f"{len(files)} files could be the segmentation of {case}: {', '.join(files)}."


class CaseGridError(GeometryError):
    """A prediction does not lie on the grid of its reference."""

    hint = "Resample the prediction to the reference's grid, by nearest neighbor."

    def __init__(self, case: str, difference: str) -> None:
        super().__init__(case, difference)

    def __str__(self) -> str:
        case, difference = self.args
        return f"{case}: prediction and reference are not on one grid: {difference}."


class ImageNotFoundError(InputError, FileNotFoundError):
    """A file that was named for a modality does not exist."""

    hint = "Check the path; it must be a .nii or .nii.gz file."

    def __init__(self, path: Path, modality: str) -> None:
        super().__init__(path, modality)

    def __str__(self) -> str:
        path, modality = self.args
        return f"{path}, given as {modality}, does not exist or is not a file."


class UnreachableError(InputError, OSError):
    """A folder or file is there, perhaps, and the system does not let us look."""

    hint = "Ask for the right to read it, or copy the study to a folder of your own."

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path} cannot be opened: {reason}."


class OneImageError(InputError):
    """One file was given that does not hold the four modalities."""

    hint = (
        "Give the folder of all four images, or name them: "
        "--t1 FILE --t1ce FILE --t2 FILE --flair FILE."
    )

    def __init__(self, path: Path, volumes: int) -> None:
        super().__init__(path, volumes)

    def __str__(self) -> str:
        path, volumes = self.args
        held = "one image" if volumes == 1 else f"{volumes} volumes"
        return f"{path} holds {held} where a study has four."


class NotOneFileError(InputError):
    """`--channels` was given for a study that is not one 4-D file."""

    hint = "Leave --channels out, or give the 4-D file itself instead of its folder."

    def __init__(self, study: str) -> None:
        super().__init__(study)

    def __str__(self) -> str:
        return f"{self.args[0]} is not one file of four volumes, which --channels is for."


class SeveralFilesError(InputError):
    """A folder holds several 4-D files where one patient's is expected."""

    hint = "Give one patient's file instead of the folder."

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder, count)

    def __str__(self) -> str:
        folder, count = self.args
        return f"{folder} holds {count} files of four volumes each."


class SeveralPatientsError(InputError):
    """A folder holds folders with images where one patient's images are expected."""

    hint = "Did you mean `latup batch`? Or give the folder of one patient."

    def __init__(self, folder: Path, patients: tuple[str, ...]) -> None:
        super().__init__(folder, patients)

    def __str__(self) -> str:
        folder, patients = self.args
        some = ", ".join(patients[:3]) + (", ..." if len(patients) > 3 else "")  # noqa: PLR2004
        return f"{folder} holds no images but {len(patients)} folders with images: {some}."


class MissingModalityError(InputError):
    """One or more of the four modalities were not found."""

    def __init__(self, study: str, missing: tuple[str, ...], found: tuple[str, ...]) -> None:
        super().__init__(study, missing, found)
        flags = " ".join(f"--{modality} FILE" for modality in missing)
        self.hint = f"All four modalities are needed. Add the file, or name it: {flags}."
        if not found:
            self.hint = "Give a folder of .nii or .nii.gz files; convert DICOM first (dcm2niix)."

    def __str__(self) -> str:
        study, missing, found = self.args
        seen = f"found {', '.join(found)}" if found else "no .nii or .nii.gz file was found"
        return f"{study} lacks {', '.join(missing)}; {seen}."


class AmbiguousModalityError(InputError):
    """Several files claim to be one modality."""

    def __init__(self, modality: str, files: tuple[str, ...]) -> None:
        super().__init__(modality, files)
        self.hint = f"Choose one with --{modality} FILE, or move the other away."

    def __str__(self) -> str:
        modality, files = self.args
        return f"{len(files)} files could be {modality}: {', '.join(files)}."


class SameImageError(InputError):
    """One image was given for two modalities."""

    hint = "Give each modality its own image; a copy cannot stand in for a missing one."

    def __init__(self, path: Path, modality: str, other: Path, other_modality: str) -> None:
        super().__init__(path, modality, other, other_modality)

    def __str__(self) -> str:
        path, modality, other, other_modality = self.args
        return f"{path} ({modality}) and {other} ({other_modality}) are the same image."


class GridMismatchError(GeometryError):
    """One modality does not lie on the grid of the others."""

    hint = "Register the modalities to one another and resample them to one grid first."

    def __init__(self, path: Path, other: Path, difference: str) -> None:
        super().__init__(path, other, difference)

    def __str__(self) -> str:
        path, other, difference = self.args
        return f"{path} is not on the grid of {other}: {difference}."


class ImageError(InputError):
    """One file is at fault; the first fact is its path."""

    def named(self, path: Path) -> Self:
        """The same error with the path that the person should see."""
        return type(self)(path, *self.args[1:])


class UnreadableImageError(ImageError):
    """A file is not an image that can be read."""

    hint = "Copy or export the file again; it must be a 3-D NIfTI image (.nii or .nii.gz)."

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path} cannot be read: {reason}."


class OtherFormatError(ImageError):
    """A file is an image in a format that has to be converted first."""

    def __init__(self, path: Path, form: str) -> None:
        super().__init__(path, form)
        self.hint = _CONVERSIONS[form]

    def __str__(self) -> str:
        path, form = self.args
        return f"{path} is {form}, not NIfTI."


_ITK_LINE = (
    'python -c "import sys, SimpleITK as s; s.WriteImage(s.ReadImage(sys.argv[1]), sys.argv[2])"'
)
_CONVERSIONS = {
    "NRRD": f"Convert it: {_ITK_LINE} IN.nrrd OUT.nii.gz",
    "MetaImage": f"Convert it: {_ITK_LINE} IN.mha OUT.nii.gz",
    "DICOM": "Convert the whole series: dcm2niix -z y -o OUT_FOLDER DICOM_FOLDER",
}
"""The line that converts to NIfTI; SimpleITK came with this package."""


class ChannelsUnknownError(ImageError):
    """One file holds four volumes, and nothing says which is which."""

    hint = (
        "State their order: --channels flair,t1,t1ce,t2 is that of the Medical Segmentation "
        "Decathlon; a dataset.json above the file that names the modalities does too."
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"{self.args[0]} holds four volumes and does not say which modality each is."


class ImageContentError(ImageError):
    """A file was read, and what is in it is not a usable MR image."""

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        super().__init__(path, problem, hint)
        self.hint = hint
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.args[0]} {self.problem}."


class SeveralVolumesError(ImageContentError):
    """A file holds more than one volume."""

    def __init__(self, path: Path, count: int) -> None:
        hint = "Split it, and give one 3-D file per modality."
        super().__init__(path, f"holds {count} volumes", hint)
        self.args = (path, count)


class NonFiniteVoxelsError(ImageContentError):
    """Voxels are not-a-number or infinite."""

    def __init__(self, path: Path, count: int) -> None:
        hint = "Export the image again, or find the step that divided by zero."
        super().__init__(path, f"holds {count} voxels that are NaN or infinite", hint)
        self.args = (path, count)


class ConstantImageError(ImageContentError):
    """Every voxel has the same value."""

    def __init__(self, path: Path, value: float) -> None:
        hint = "Export the image again; an image without contrast shows nothing."
        super().__init__(path, f"is {value:g} everywhere", hint)
        self.args = (path, value)


class ShearedImageError(ImageContentError):
    """An image's axes do not meet at right angles."""

    def __init__(self, path: Path, degrees: float) -> None:
        hint = "Resample it to a grid without shear (gantry tilt), and the other modalities too."
        super().__init__(path, f"is sheared: its axes are {degrees:.1f} degrees off square", hint)
        self.args = (path, degrees)


class FlatImageError(ImageContentError):
    """An affine gives the image no extent in space."""

    def __init__(self, path: Path, problem: str) -> None:
        hint = "Export it again with its orientation and voxel size in the header."
        super().__init__(path, f"has a broken affine: {problem}", hint)
        self.args = (path, problem)


class NoOrientationError(ImageContentError):
    """Neither sform nor qform says where the image lies."""

    def __init__(self, path: Path) -> None:
        problem = "does not say where it lies: its sform and qform codes are both 0"
        super().__init__(path, problem, "Export it again with orientation, or copy the header.")
        self.args = (path,)


class TooSmallImageError(ImageContentError):
    """An axis has too few voxels to hold a head."""

    def __init__(self, path: Path, shape: tuple[int, int, int], smallest: int) -> None:
        size = " x ".join(map(str, shape))
        problem = f"has {size} voxels; each axis needs at least {smallest}"
        super().__init__(path, problem, "Give a whole-head series resampled to about 1 mm.")
        self.args = (path, shape, smallest)


class LabelMapGivenError(ImageContentError):
    """A segmentation stands where an image is expected."""

    def __init__(self, path: Path, modality: str, values: tuple[int, ...]) -> None:
        problem = f"was taken for {modality} but is a segmentation (values {list(values)})"
        super().__init__(path, problem, f"Choose the image with --{modality} FILE.")
        self.args = (path, modality, values)


class MissingSegmentationError(InputError):
    """A patient has no expert labels to train on or to measure against."""

    hint = "Put the expert's segmentation beside the images, its name ending in _seg."

    def __init__(self, case: str) -> None:
        super().__init__(case)

    def __str__(self) -> str:
        return f"{self.args[0]} has no segmentation."


class SegmentationGridError(InputError):
    """Expert labels lie on another grid than the images."""

    hint = "Resample the segmentation to the images with nearest-neighbor interpolation."

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"{self.args[0]} does not lie on the grid of the images."


class LabeledDataError(InputError):
    """Cases of a labeled data set cannot be used; all of them are named at once."""

    hint = "Mend or remove these cases; latup train --check-only checks again."

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(dict(problems))

    def __str__(self) -> str:
        problems: Mapping[str, str] = self.args[0]
        lines = "".join(f"\n  {case}: {problem}" for case, problem in problems.items())
        return f"{len(problems)} cases cannot be used:{lines}"


# --- 4: refused by a quality check ----------------------------------------------------------


class QualityError(LatupError):
    """A quality check refused the study."""

    exit_code = 4


class SkullPresentError(QualityError):
    """An image shows a whole head, where only the brain may be left."""

    hint = (
        "Remove the skull from all four modalities (HD-BET, SynthStrip), registered to one grid; "
        "outside the brain every voxel must be exactly 0."
    )

    def __init__(self, path: Path, finding: str) -> None:
        super().__init__(path, finding)

    def __str__(self) -> str:
        path, finding = self.args
        return f"{path} is not skull-stripped: {finding}."


# --- 5: model -----------------------------------------------------------------------------


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
        return f"There is no model at {self.args[0]}."


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


# --- 6: device ----------------------------------------------------------------------------


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


# --- 7 and 10: output -----------------------------------------------------------------------


class OutputExistsError(LatupError, FileExistsError):
    """Results are there already and may not be replaced."""

    exit_code = 7
    hint = "Use --overwrite to replace them, or -o for another folder."

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"{self.args[0]} exists already."


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


# --- 11: an extra is missing ------------------------------------------------------------------


class ExtraMissingError(LatupError, ImportError):
    """A command needs a package that the base install does not bring."""

    exit_code = 11

    def __init__(self, command: str, extra: str) -> None:
        super().__init__(command, extra)
        self.hint = f'pip install "latup[{extra}]"'

    def __str__(self) -> str:
        command, extra = self.args
        return f"{command} needs the extra '{extra}', which is not installed."


# --- 12: training ---------------------------------------------------------------------------


class TrainingError(LatupError):
    """Training cannot start or go on."""

    exit_code = 12


class NothingToTrainOnError(TrainingError):
    """No labelled case, or none left on one side of the split."""

    hint = "Give folders of patients with four modalities and a seg file each."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


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


class CheckpointError(TrainingError):
    """A checkpoint or source model cannot be used."""

    hint = "Start from another checkpoint, or from a shipped model with --init."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} cannot be used: {problem}."
