"""Exit code 3: a study, its files, or how they fit together."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.base import LatupError


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


class ImageNotFoundError(InputError, FileNotFoundError):
    """A file that was named for a modality does not exist."""

    hint = "Check the path; it must be a NIfTI file, or a DICOM series' folder."

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
            self.hint = "Give a folder that holds the four as NIfTI files or as DICOM series."

    def __str__(self) -> str:
        study, missing, found = self.args
        seen = (
            f"found {', '.join(found)}" if found else "no NIfTI file and no DICOM series was found"
        )
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
