"""Write a label map as DICOM Segmentation on the planes of the series that it was made from.

Segments are BINARY, one bit a voxel: every viewer and archive that knows segmentations reads them,
while LABELMAP came with the standard of 2024 and few do. All three tissues are always described,
found or not; of a study without a tumor every plane is written, empty, because a segmentation
without frames is not valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid
from pydicom.valuerep import PersonName

from latup_cli.domain.report import ModelIdentity
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import SegmentationSourceError, UnreadableImageError
from latup_cli.imaging.atomic import replacing
from latup_cli.labels import Tissue
from latup_cli.reporting.colors import COLORS
from latup_cli.reporting.dicom_planes import image_planes, labels_on_planes

SEGMENTS: Mapping[Tissue, tuple[str, Code]] = MappingProxyType(
    {
        Tissue.NCR: ("Necrotic and non-enhancing tumor core", codes.SCT.Necrosis),
        Tissue.ED: ("Peritumoral edema", codes.SCT.Edema),
        Tissue.ET: ("Enhancing tumor", codes.NCIt.EnhancingLesion),
    }
)
"""Label and property type of each segment; the segment's number is the tissue's."""

_CATEGORY = codes.SCT.MorphologicallyAbnormalStructure
_PATIENT = ("PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber")
_IMAGE = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality",
    "FrameOfReferenceUID", "Rows", "Columns", "NumberOfFrames", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence", "DimensionOrganizationSequence",
)  # fmt: skip
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_SERIES_NUMBER = 1000  # above the number of the source, so that it sorts behind the scans
_SERIAL_LENGTH = 16
_UTF8 = "ISO_IR 192"


def write_dicom_seg(
    path: Path,
    labels: LabelMap,
    source_files: Sequence[Path],
    *,
    model: ModelIdentity,
    software_version: str,
) -> None:
    """Write necrosis, edema and enhancing tumor as three coded segments.

    Of the source, the patient's name, identifier, birth date and sex and the study's identifiers
    and date are copied, without which an archive could not file the result; nothing else about a
    person is, neither physicians nor institutions.

    Args:
        path: Ends in .dcm.
        labels: On the grid of the source series, in any axis order and label scheme.
        source_files: The images of the T1ce series: classic ones, or one enhanced multi-frame.
        model: The weights; the start of their hash stands for the device's serial number.
        software_version: Of this package.

    Raises:
        UnreadableImageError: If a source file cannot be read.
        SegmentationSourceError: If the label map does not fit the planes of the series.
        OutputError: If the file cannot be written.
    """
    sources = [_read(file) for file in source_files]
    _check_series(sources)
    tissues = labels_on_planes(labels, image_planes(sources))
    found = _segmentation(_in_tissues(tissues, labels), sources, model, software_version)
    found.PatientName = PersonName(str(sources[0].get("PatientName", "")))
    with replacing(path) as beside:
        found.save_as(beside, enforce_file_format=True)


def _read(file: Path) -> Dataset:
    try:
        return dcmread(file, stop_before_pixels=True)
    except (InvalidDicomError, OSError, EOFError) as error:
        reason = "it is not a DICOM file" if isinstance(error, InvalidDicomError) else str(error)
        raise UnreadableImageError(file, reason) from error


def _check_series(sources: Sequence[Dataset]) -> None:
    if not sources:
        raise SegmentationSourceError("it has no images")
    if not all(source.get("FrameOfReferenceUID") for source in sources):
        raise SegmentationSourceError("it names no frame of reference")
    if any(not source.get(uid) for source in sources for uid in _UIDS):
        raise SegmentationSourceError("its images lack the identifiers to refer to")
    kinds = ("SeriesInstanceUID", "FrameOfReferenceUID")
    if any(source[kind].value != sources[0][kind].value for source in sources for kind in kinds):
        raise SegmentationSourceError("its images are not of one series")
    if len(sources) > 1 and any("NumberOfFrames" in source for source in sources):
        raise SegmentationSourceError("it is spread over several multi-frame images")


def _in_tissues(planes: npt.NDArray[np.uint8], labels: LabelMap) -> npt.NDArray[np.uint8]:
    """Voxel values of a label scheme to numbers of tissues, which are those of the segments."""
    table = np.zeros(256, dtype=np.uint8)
    for tissue, number in labels.scheme.numbers.items():
        table[number] = tissue.value
    return table[planes]


def _segmentation(
    tissues: npt.NDArray[np.uint8], sources: Sequence[Dataset], model: ModelIdentity, version: str
) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=[_needed(source) for source in sources],
        pixel_array=tissues,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(tissue, model) for tissue in SEGMENTS],
        series_instance_uid=generate_uid(prefix=None),
        series_number=_SERIES_NUMBER + int(sources[0].get("SeriesNumber") or 0),
        series_description="latup tumor segmentation (research use only)",
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer="latup",
        manufacturer_model_name=f"latup {model.name}"[:64],
        software_versions=f"{version}, {model.name} {model.version}"[:64],
        device_serial_number=model.sha256[:_SERIAL_LENGTH],
        content_label="TUMOR",
        content_description="Tumor segmentation; not a medical device",
        omit_empty_frames=bool(tissues.any()),
        specific_character_set=_UTF8,
    )


def _segment(tissue: Tissue, model: ModelIdentity) -> hd.seg.SegmentDescription:
    label, property_type = SEGMENTS[tissue]
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"latup {model.name}"[:64],
        family=codes.DCM.ArtificialIntelligence,
        version=model.version,
    )
    return hd.seg.SegmentDescription(
        segment_number=tissue.value,
        segment_label=label,
        segmented_property_category=_CATEGORY,
        segmented_property_type=property_type,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=generate_uid(prefix=None),
        tracking_id=f"latup {tissue.name}",
        anatomic_regions=[codes.SCT.Brain],
        display_color=hd.color.CIELabColor.from_rgb(*COLORS[tissue]),
    )


def _needed(source: Dataset) -> Dataset:
    """What the result may know of a source image; highdicom copies more than that if it can.

    The name is left to the caller: highdicom would print one that it finds odd.
    """
    kept = Dataset()
    for keyword in (*_PATIENT, *_STUDY, *_IMAGE):
        if keyword in source:
            kept[keyword] = source[keyword]
    for keyword in (*_PATIENT, *_STUDY):
        if keyword not in kept:
            setattr(kept, keyword, "")
    kept.PatientName = ""
    kept.file_meta = source.file_meta
    if kept.PatientSex not in {"M", "F", "O"}:
        kept.PatientSex = ""
    return kept
