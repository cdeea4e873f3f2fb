"""Exit code 3: DICOM folders and series that are no study."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.image import ImageContentError
from latup_cli.errors.study import InputError


class NoMrSeriesError(InputError):
    """A folder holds DICOM files, but no MR series."""

    hint = "Give the folder with the T1, contrast-enhanced T1, T2 and FLAIR series of an MR exam."

    def __init__(self, study: str, kinds: tuple[str, ...]) -> None:
        super().__init__(study, kinds)

    def __str__(self) -> str:
        study, kinds = self.args
        return f"{study} holds DICOM files but no MR series: {', '.join(kinds)}."


class SeveralTimePointsError(InputError):
    """A folder holds several exams of one patient."""

    hint = "Give the folder of one time point."

    def __init__(self, study: str, places: tuple[str, ...]) -> None:
        super().__init__(study, places)

    def __str__(self) -> str:
        study, places = self.args
        points = [f"time point {n} ({place})" for n, place in enumerate(places, start=1)]
        return f"{study} holds DICOM series of {len(places)} time points: {', '.join(points)}."


class SeveralDicomPatientsError(InputError):
    """A folder holds DICOM series of several patients."""

    hint = "Did you mean `latup batch`? Or give the folder of one patient."

    def __init__(self, study: str, count: int) -> None:
        super().__init__(study, count)

    def __str__(self) -> str:
        study, count = self.args
        return f"{study} holds DICOM series of {count} patients."


class TooManyFilesError(InputError):
    """A folder holds far more files than a study."""

    hint = "Give the folder of one patient's exam."

    def __init__(self, most: int) -> None:
        super().__init__(most)

    def __str__(self) -> str:
        return f"The folder holds more than {self.args[0]:,} files."


class MissingSlicesError(ImageContentError):
    """A series has gaps."""

    def __init__(self, path: Path, missing: int) -> None:
        hint = "Export or copy the whole series again; a volume with gaps would be misplaced."
        slices = "1 slice" if missing == 1 else f"{missing} slices"
        super().__init__(path, f"lacks {slices} between its first and its last", hint)
        self.args = (path, missing)


class UnevenSlicesError(ImageContentError):
    """A series' slices do not lie at equal distances."""

    def __init__(self, path: Path, least_mm: float, most_mm: float) -> None:
        hint = "Export the series again, or resample it to even slices."
        problem = f"has slices {least_mm:.2f} to {most_mm:.2f} mm apart"
        super().__init__(path, problem, hint)
        self.args = (path, least_mm, most_mm)


class RepeatedSlicesError(ImageContentError):
    """A series shows one place more than once."""

    def __init__(self, path: Path, places: int) -> None:
        hint = "Give one image per place: one echo, one time, one b-value."
        where = "one place" if places == 1 else f"{places} places"
        super().__init__(path, f"shows {where} more than once", hint)
        self.args = (path, places)


class MixedSeriesError(ImageContentError):
    """The images of a series do not fit together."""

    def __init__(self, path: Path, what: str) -> None:
        hint = "Export the series again; its images must be parallel, of one size and one spacing."
        super().__init__(path, f"mixes images of different {what}", hint)
        self.args = (path, what)


class PlacelessSeriesError(ImageContentError):
    """Images do not say where they lie in the patient."""

    def __init__(self, path: Path, lacking: str) -> None:
        hint = "Export the original series from the scanner or archive."
        super().__init__(path, f"does not say where it lies: it has no {lacking}", hint)
        self.args = (path, lacking)


class SingleSliceError(ImageContentError):
    """A series is one picture."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is a single slice", "Export the whole series.")
        self.args = (path,)
