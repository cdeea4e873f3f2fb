"""Exit code 3: one file that is not a usable image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from latup_cli.errors.study import InputError


class ImageError(InputError):
    """One file is at fault; the first fact is its path."""

    def named(self, path: Path) -> Self:
        """The same error with the path that the person should see."""
        return type(self)(path, *self.args[1:])


@contextmanager
def named_as(shown: Path) -> Iterator[None]:
    """Errors about a file that is read here name it as the person should see it."""
    try:
        yield
    except ImageError as error:
        raise error.named(shown) from None  # whose message has the path


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


class SlabError(ImageContentError):
    """A series covers a part of the head only."""

    def __init__(self, path: Path, extent_mm: float, least_mm: float) -> None:
        problem = f"covers only {extent_mm:.0f} mm along one axis, less than {least_mm:.0f} mm"
        super().__init__(path, problem, "Give a series of the whole head.")
        self.args = (path, extent_mm, least_mm)


class LabelMapGivenError(ImageContentError):
    """A segmentation stands where an image is expected."""

    def __init__(self, path: Path, modality: str, values: tuple[int, ...]) -> None:
        problem = f"was taken for {modality} but is a segmentation (values {list(values)})"
        super().__init__(path, problem, f"Choose the image with --{modality} FILE.")
        self.args = (path, modality, values)
