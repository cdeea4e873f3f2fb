"""Write slices as classic MR images of DICOM, the same bytes for the same slices."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, MRImageStorage

from latup_cli.domain.grid import Grid

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_IMPLEMENTATION = "LATUP_SAMPLE"


@dataclass(frozen=True, slots=True)
class Study:
    """What all series of a study have in common.

    Attributes:
        name: From which all unique identifiers are made.
        tags: Keyword to value, of patient, study and scanner.
    """

    name: str
    tags: Mapping[str, object]

    def uid(self, *parts: object) -> UID:
        """A unique identifier that is the same in every run: 2.25 and a hash of 128 bits."""
        text = "/".join(map(str, (self.name, *parts)))
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
        return UID(f"2.25.{number}")


@dataclass(frozen=True, slots=True)
class Series:
    """What all images of a series have in common.

    Attributes:
        number: Of the series in the study.
        description: What the scanner calls it.
        thickness_mm: Of a slice.
        step_mm: From slice to slice.
        tags: Keyword to value, such as those of the sequence.
    """

    number: int
    description: str
    thickness_mm: float
    step_mm: float
    tags: Mapping[str, object] = field(default_factory=dict)


def write_series(
    folder: Path,
    study: Study,
    series: Series,
    blocks: list[tuple[npt.NDArray[np.uint16], Grid]],
) -> list[Path]:
    """Write every slice of every block as `IM000000` and so on, compressed with JPEG-LS.

    Args:
        folder: Made if it is not there.
        study: What all series have in common.
        series: What its images have in common.
        blocks: (i, j, k) voxels and their grid: i along a row of the image, j along a column, k
            from slice to slice. A localizer has several, everything else one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slices = [(data, grid, k) for data, grid in blocks for k in range(grid.shape[2])]
    paths = []
    for number, (data, grid, k) in enumerate(slices):
        image = _image(study, series, number)
        _place(image, grid, k)
        _fill(image, data[:, :, k].T)
        paths.append(folder / f"IM{number:06d}")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def _image(study: Study, series: Series, number: int) -> Dataset:
    image = Dataset()
    image.file_meta = _file_meta()
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = study.uid("image", series.number, number)
    image.StudyInstanceUID = study.uid("study")
    image.SeriesInstanceUID = study.uid("series", series.number)
    image.FrameOfReferenceUID = study.uid("frame of reference")
    image.Modality = "MR"
    image.SeriesNumber = series.number
    image.AcquisitionNumber = 1
    image.InstanceNumber = number + 1
    image.SeriesDescription = series.description
    image.ProtocolName = series.description
    image.SliceThickness = f"{series.thickness_mm:g}"
    image.SpacingBetweenSlices = f"{series.step_mm:g}"
    for keyword, value in {**study.tags, **series.tags}.items():
        setattr(image, keyword, value)
    return image


def _file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = Study(_IMPLEMENTATION, {}).uid("implementation")
    meta.ImplementationVersionName = _IMPLEMENTATION
    return meta


def _place(image: Dataset, grid: Grid, k: int) -> None:
    """State where slice `k` of a grid lies, in LPS+ mm."""
    lps_from_voxel = _LPS_FROM_RAS @ grid.ras_from_voxel
    across, down = (lps_from_voxel[:3, axis] / grid.spacing_mm[axis] for axis in (0, 1))
    corner = lps_from_voxel[:3, :3] @ (0.0, 0.0, float(k)) + lps_from_voxel[:3, 3]
    normal = np.cross(across, down)
    image.ImagePositionPatient = [f"{n:.6f}" for n in corner]
    image.ImageOrientationPatient = [f"{n:.10f}" for n in (*across, *down)]
    image.PixelSpacing = [f"{grid.spacing_mm[axis]:.6g}" for axis in (1, 0)]
    image.SliceLocation = f"{float(normal @ corner):.4f}"


def _fill(image: Dataset, pixels: npt.NDArray[np.uint16]) -> None:
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = 0
    low, high = np.percentile(pixels, (5.0, 99.5))
    image.WindowCenter, image.WindowWidth = f"{(low + high) / 2:.0f}", f"{high - low + 1:.0f}"
    image.PixelData = pixels.astype("<u2").tobytes()
    image["PixelData"].VR = "OW"
    image.compress(JPEGLSLossless, generate_instance_uid=False)
