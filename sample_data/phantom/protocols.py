"""The MR examination of the raw sample: how each series is acquired and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phantom.acquisition import Geometry, Motion
from phantom.dicom_series import Series, Study

NAME = "LATUP-SAMPLE-002"


@dataclass(frozen=True, slots=True)
class Protocol:
    """One series: how it is acquired and how tissue looks on it.

    Attributes:
        series: What its images have in common.
        geometry: Where its slices lie.
        motion: How the head lies differently than in the T1ce.
        mean: Signal of the brain.
        deviation: Signal that is 1 in z of the contrast.
        noise: Standard deviation of the noise.
        surroundings: Signal of what is no brain.
    """

    series: Series
    geometry: Geometry
    motion: Motion
    mean: float
    deviation: float
    noise: float
    surroundings: Mapping[str, float]


_SPIN_ECHO = {"ScanningSequence": "SE", "SequenceVariant": "SK", "MRAcquisitionType": "2D"}
_ORIGINAL = ["ORIGINAL", "PRIMARY", "M", "ND"]

PROTOCOLS: Mapping[str, Protocol] = {
    "t1": Protocol(
        Series(
            number=1,
            description="t1_mprage_sag_p2",
            thickness_mm=1.5,
            step_mm=1.5,
            tags={
                "ImageType": _ORIGINAL,
                "ScanningSequence": ["GR", "IR"],
                "SequenceVariant": ["SK", "SP", "MP"],
                "MRAcquisitionType": "3D",
                "RepetitionTime": "1900",
                "EchoTime": "2.7",
                "InversionTime": "900",
                "FlipAngle": "9",
                "EchoTrainLength": "1",
            },
        ),
        Geometry("sagittal", (0.0, 4.0, -6.0), 160, 160, 108, 1.5, 1.5, 1.5, (0.0, 4.0, -12.0)),
        Motion((2.5, -1.5, 3.0), (1.5, -3.0, 2.0)),
        mean=190.0,
        deviation=48.0,
        noise=1.6,
        surroundings={
            "air": 0, "fluid": 62, "dura": 130, "cortex": 12, "marrow": 210, "fat": 380,
            "muscle": 140, "skin": 160, "cord": 220, "mucosa": 120,
        },
    ),
    "t2": Protocol(
        Series(
            number=3,
            description="t2_tse_tra_5mm",
            thickness_mm=5.0,
            step_mm=5.5,
            tags={
                **_SPIN_ECHO,
                "ImageType": _ORIGINAL,
                "RepetitionTime": "4800",
                "EchoTime": "98",
                "FlipAngle": "150",
                "EchoTrainLength": "15",
            },
        ),
        Geometry("axial", (11.0, 0.0, 2.0), 288, 320, 28, 0.75, 5.5, 5.0, (0.0, 0.0, 2.0)),
        Motion((-1.0, 2.0, -2.5), (-2.0, 1.0, -1.5)),
        mean=210.0,
        deviation=72.0,
        noise=1.6,
        surroundings={
            "air": 0, "fluid": 400, "dura": 90, "cortex": 10, "marrow": 130, "fat": 270,
            "muscle": 75, "skin": 110, "cord": 160, "mucosa": 330,
        },
    ),
    "flair": Protocol(
        Series(
            number=4,
            description="t2_flair_tra_fs",
            thickness_mm=5.0,
            step_mm=5.0,
            tags={
                **_SPIN_ECHO,
                "ScanningSequence": ["SE", "IR"],
                "ScanOptions": "FS",
                "ImageType": _ORIGINAL,
                "RepetitionTime": "9000",
                "EchoTime": "92",
                "InversionTime": "2500",
                "FlipAngle": "150",
                "EchoTrainLength": "16",
            },
        ),
        Geometry("axial", (8.0, 0.0, 0.0), 224, 256, 30, 0.9, 5.0, 5.0, (0.0, 2.0, 0.0)),
        Motion((1.5, -1.0, 4.0), (3.0, 2.0, -2.5)),
        mean=190.0,
        deviation=76.0,
        noise=1.6,
        surroundings={
            "air": 0, "fluid": 45, "dura": 150, "cortex": 10, "marrow": 60, "fat": 70,
            "muscle": 110, "skin": 120, "cord": 180, "mucosa": 300,
        },
    ),
    "t1ce": Protocol(
        Series(
            number=5,
            description="t1_tra_km",
            thickness_mm=2.0,
            step_mm=2.0,
            tags={
                "ImageType": _ORIGINAL,
                "ScanningSequence": "GR",
                "SequenceVariant": "SP",
                "MRAcquisitionType": "3D",
                "ContrastBolusAgent": "Gadobutrol",
                "ContrastBolusRoute": "INTRAVENOUS",
                "ContrastBolusVolume": "7.5",
                "RepetitionTime": "25",
                "EchoTime": "4.6",
                "FlipAngle": "30",
                "EchoTrainLength": "1",
            },
        ),
        Geometry("axial", (4.0, -1.0, 0.0), 200, 240, 80, 1.0, 2.0, 2.0, (0.0, 4.0, -2.0)),
        Motion(),
        mean=200.0,
        deviation=72.0,
        noise=1.6,
        surroundings={
            "air": 0, "fluid": 80, "dura": 300, "cortex": 12, "marrow": 220, "fat": 390,
            "muscle": 170, "skin": 210, "cord": 215, "mucosa": 420,
        },
    ),
}  # fmt: skip
"""In the order of acquisition. Motions of a cooperative patient over twenty minutes."""

LOCALIZER = Series(
    number=2,
    description="localizer",
    thickness_mm=8.0,
    step_mm=20.0,
    tags={
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "LOCALIZER"],
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "MRAcquisitionType": "2D",
        "RepetitionTime": "8.6",
        "EchoTime": "4",
        "FlipAngle": "20",
        "EchoTrainLength": "1",
    },
)

STUDY = Study(
    NAME,
    {
        "PatientName": "Synthetic^Phantom",
        "PatientID": "PHANTOM2",
        "PatientBirthDate": "",
        "PatientSex": "",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "no person: computed from an atlas and random numbers",
        "StudyID": "1",
        "StudyDate": "20260105",
        "StudyTime": "120000",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": "MR brain with and without contrast (synthetic)",
        "PatientPosition": "HFS",
        "BodyPartExamined": "BRAIN",
        "Manufacturer": "latup",
        "ManufacturerModelName": "phantom",
        "MagneticFieldStrength": "3",
        "PositionReferenceIndicator": "",
        "ScanOptions": "",
    },
)
