"""Exit code 3: label schemes, expert labels, and predictions to compare with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latup_cli.errors.study import GeometryError, InputError


class DeclaredSchemeError(InputError):
    """A segmentation's header declares a label scheme that does not exist."""

    hint = "Name the file's scheme: --labels-predictions or --labels-references (latup evaluate)."

    def __init__(self, path: Path | str, scheme: str) -> None:
        super().__init__(path, scheme)

    def __str__(self) -> str:
        path, scheme = self.args
        return f"{path} declares labels of an unknown scheme, {scheme!r}."


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
