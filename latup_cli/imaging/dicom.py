"""Read what DICOM files say about themselves: series, contrast, and where each frame lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pydicom
from pydicom.config import IGNORE
from pydicom.dataset import Dataset

# Files from scanners break the letter of the standard; what is unusable is found by its use.
pydicom.config.settings.reading_validation_mode = IGNORE
pydicom.config.settings.writing_validation_mode = IGNORE

Vector: TypeAlias = tuple[float, float, float]
"""LPS+ mm or direction cosines, as DICOM has them; they do not leave `imaging`."""

_DIRECTORY = "1.2.840.10008.1.3.10"

_TEXTS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
_FRAME_TAGS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
    "RescaleIntercept", "EchoTime", "EchoNumbers", "TemporalPositionIdentifier",
    "DiffusionBValue", "InstanceNumber", "ImageType",
)  # fmt: skip
_FILE_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "StudyInstanceUID",
    "StudyDate", "PatientName", "PatientID", "SeriesNumber", "ScanningSequence",
    "RepetitionTime", "InversionTime", "ContrastBolusAgent", "ContrastBolusAgentSequence",
    "AcquisitionContrast", "EchoPulseSequence", "EchoPlanarPulseSequence", "InversionRecovery",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_WANTED = [*_TEXTS, *_FRAME_TAGS, *_FILE_TAGS]
_NOTHING = frozenset({"", "none", "no", "n", "n/a", "na", "nein", "0", "without"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One slice: in a file of its own, or in an enhanced file of many.

    Attributes:
        path: The file.
        number: Which frame of it, from 0.
        position: Center of the first voxel, LPS+ mm; None if the file does not say.
        orientation: Direction cosines along a row, then along a column; None likewise.
        spacing_mm: Between rows, then between columns; None likewise.
        size: Rows and columns.
        slope: What a stored number is multiplied with.
        intercept: What is added then.
        image_type: In capitals, such as ("ORIGINAL", "PRIMARY", "M").
        te_ms: Echo time; None if unknown.
        time: Which time of a dynamic series, empty if there is one.
        b_value: Of diffusion weighting in s/mm2; 0 without.
    """

    path: Path
    number: int
    position: Vector | None
    orientation: tuple[Vector, Vector] | None
    spacing_mm: tuple[float, float] | None
    size: tuple[int, int]
    slope: float
    intercept: float
    image_type: tuple[str, ...] = ()
    te_ms: float | None = None
    time: str = ""
    b_value: float = 0.0

    @property
    def kind(self) -> tuple[str, ...]:
        """What tells the frames of one volume from those of another in the same series."""
        echo = "" if self.te_ms is None else f"{self.te_ms:.0f} ms"
        return (*self.image_type[2:], echo, self.time, f"{self.b_value:g}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tags of a file say, beside the frames' places.

    Attributes:
        modality: "MR", "CT", "SR" and so on.
        sop_class: The kind of object by its UID's name, such as "MR Image Storage".
        series: The series' UID; `study` is that of the exam.
        number: The series' number, None if it has none.
        texts: Description, protocol and sequence name as they stand; they may tell who the
            patient is and are only searched for known words.
        image_type: In capitals, such as ("ORIGINAL", "PRIMARY", "M").
        sequences: Scanning sequence: "SE", "GR", "IR", "EP".
        weighting: Acquisition contrast of an enhanced file, such as "FLUID_ATTENUATED".
        agent: Whether a contrast agent is named.
        te_ms: Echo time; `tr_ms` and `ti_ms` are repetition and inversion time. None if unknown.
        b_value: Of diffusion weighting in s/mm2; 0 without.
        is_gray: Whether there is one number per voxel, larger ones brighter.
        date: Of the exam. Private, as are `patient_id` and `patient_name`.
    """

    modality: str
    sop_class: str
    series: str
    study: str
    number: int | None
    texts: tuple[str, ...] = field(repr=False)
    image_type: tuple[str, ...]
    sequences: frozenset[str]
    weighting: str
    agent: bool
    te_ms: float | None
    tr_ms: float | None
    ti_ms: float | None
    b_value: float
    is_gray: bool
    date: str = field(repr=False)
    patient_id: str = field(repr=False)
    patient_name: str = field(repr=False)

    @property
    def series_key(self) -> str:
        """What tells the series from others: its UID, or where it was blanked, what is left.

        Private, for it may hold the description.
        """
        left = (self.study, self.number, *self.texts, self.tr_ms, self.ti_ms, self.agent)
        return self.series or "\n".join(map(str, left))


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One file without its pixels.

    Attributes:
        path: Where it lies.
        instance: Its unique identifier, the same in every copy; the path where it was blanked.
        facts: What it says of the whole series.
        frames: Its slices; none for what is no image.
    """

    path: Path
    instance: str
    facts: Facts
    frames: tuple[Frame, ...]


def read_file(path: Path) -> DicomFile | None:
    """Read one file's tags; None for a DICOMDIR and for what is damaged or no DICOM at all."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=_WANTED)
        return _described(path, dataset)
    except Exception:  # noqa: BLE001  (pydicom documents no limit to what damaged files raise)
        return None


def read_frames(path: Path) -> tuple[Frame, ...]:
    """Where the slices of one file lie; none if it cannot be read."""
    found = read_file(path)
    return found.frames if found else ()


def _described(path: Path, dataset: Dataset) -> DicomFile | None:
    sop_class = str(dataset.get("SOPClassUID", ""))
    if not sop_class or sop_class == _DIRECTORY:
        return None
    facts = _facts(dataset)
    instance = _text(dataset, "SOPInstanceUID") or str(path)
    return DicomFile(path, instance, facts, _frames(path, dataset))


def _facts(dataset: Dataset) -> Facts:
    first = next(_groups(dataset), (dataset,))
    return Facts(
        modality=_text(dataset, "Modality").upper(),
        sop_class=str(dataset.SOPClassUID.name),
        series=_text(dataset, "SeriesInstanceUID"),
        study=_text(dataset, "StudyInstanceUID"),
        number=_whole(dataset.get("SeriesNumber")),
        texts=tuple(_text(dataset, keyword) for keyword in _TEXTS),
        image_type=_image_type(first),
        sequences=_sequences(dataset, first),
        weighting=str(_first(first, "AcquisitionContrast") or "").upper(),
        agent=_has_agent(dataset),
        te_ms=_number(_first(first, "EffectiveEchoTime", "EchoTime")),
        tr_ms=_number(_first(first, "RepetitionTime")),
        ti_ms=_number(_first(first, "InversionTimes", "InversionTime")),
        b_value=_number(_first(first, "DiffusionBValue")) or 0.0,
        is_gray=_text(dataset, "PhotometricInterpretation") in {"", "MONOCHROME2"},
        date=_text(dataset, "StudyDate"),
        patient_id=_text(dataset, "PatientID"),
        patient_name=_text(dataset, "PatientName"),
    )


def _frames(path: Path, dataset: Dataset) -> tuple[Frame, ...]:
    size = (_whole(dataset.get("Rows")) or 0, _whole(dataset.get("Columns")) or 0)
    if min(size) < 1:
        return ()
    groups = list(_groups(dataset)) or [(dataset,)]
    return tuple(_frame(path, number, group, size) for number, group in enumerate(groups))


def _frame(path: Path, number: int, group: tuple[Dataset, ...], size: tuple[int, int]) -> Frame:
    position = _numbers(_first(group, "ImagePositionPatient"), 3)
    cosines = _numbers(_first(group, "ImageOrientationPatient"), 6)
    spacing = _numbers(_first(group, "PixelSpacing"), 2)
    slope = _number(_first(group, "RescaleSlope"))
    return Frame(
        path,
        number,
        (position[0], position[1], position[2]) if position else None,
        (_vector(cosines[:3]), _vector(cosines[3:])) if cosines else None,
        (spacing[0], spacing[1]) if spacing else None,
        size,
        1.0 if slope is None else slope,
        _number(_first(group, "RescaleIntercept")) or 0.0,
        _image_type(group),
        _number(_first(group, "EffectiveEchoTime", "EchoTime")),
        str(_first(group, "TemporalPositionIndex", "TemporalPositionIdentifier") or ""),
        _number(_first(group, "DiffusionBValue")) or 0.0,
    )


def _groups(dataset: Dataset) -> Iterator[tuple[Dataset, ...]]:
    """Of an enhanced file, per frame: where its tags may stand, the nearest place first."""
    shared = [*_inside(dataset.get("SharedFunctionalGroupsSequence"))]
    for item in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        yield (*_inside([item]), *shared, dataset)


def _inside(items: Iterable[Dataset] | None) -> Iterator[Dataset]:
    """The single items of the sequences in functional groups."""
    for item in items or ():
        for element in item:
            if element.VR == "SQ" and element.value:
                yield element.value[0]


def _first(places: tuple[Dataset, ...], *keywords: str) -> Any:  # noqa: ANN401
    """The first value that stands anywhere, None if there is none."""
    for place in places:
        for keyword in keywords:
            value = place.get(keyword)
            if value is not None and value != "":
                return value
    return None


def _image_type(places: tuple[Dataset, ...]) -> tuple[str, ...]:
    value = _first(places, "FrameType", "ImageType")
    words = [value] if isinstance(value, str) else list(value or ())
    return tuple(str(word).strip().upper() for word in words)


def _sequences(dataset: Dataset, first: tuple[Dataset, ...]) -> frozenset[str]:
    """As "SE", "GR", "IR", "EP", in classic and in enhanced files."""
    value = dataset.get("ScanningSequence")
    words = {value} if isinstance(value, str) else {str(word) for word in value or ()}
    echo = str(_first(first, "EchoPulseSequence") or "")
    words |= {"SPIN": {"SE"}, "GRADIENT": {"GR"}, "BOTH": {"SE", "GR"}}.get(echo, set())
    for keyword, word in (("EchoPlanarPulseSequence", "EP"), ("InversionRecovery", "IR")):
        if str(_first(first, keyword) or "") == "YES":
            words.add(word)
    return frozenset(word.strip().upper() for word in words if word)


def _has_agent(dataset: Dataset) -> bool:
    named = _text(dataset, "ContrastBolusAgent").casefold() not in _NOTHING
    return named or bool(dataset.get("ContrastBolusAgentSequence"))


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _vector(values: tuple[float, ...]) -> Vector:
    i, j, k = values
    return i, j, k


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:  # noqa: ANN401
    """As many finite numbers as there must be, or None."""
    try:
        found = tuple(float(item) for item in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _number(value: Any) -> float | None:  # noqa: ANN401
    """A finite number, the first of several, or None."""
    try:
        found = float(value if isinstance(value, str | float | int) else next(iter(value)))
    except (StopIteration, TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _whole(value: object) -> int | None:
    found = _number(value)
    return None if found is None else int(found)
