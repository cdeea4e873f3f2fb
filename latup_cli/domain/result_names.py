"""What the results of a study are called: its name, `_`, and one of these endings."""

from __future__ import annotations

from latup_cli.labels import MODALITIES

MASK = "seg.nii.gz"
REPORT = "report.json"
TABLE = "report.csv"
PREVIEW = "preview.png"
REGISTRATION = "registration.png"
PROBABILITIES = "probabilities.nii.gz"
ALIGNED_MASK = "space-model_seg.nii.gz"
DICOM_SEG = "seg.dcm"
INTERMEDIATES = ("brain.nii.gz", *(f"aligned_{modality}.nii.gz" for modality in MODALITIES))

ALWAYS = (MASK, REPORT, TABLE)
"""Endings of what every run writes."""

ENDINGS = (
    *ALWAYS,
    PREVIEW,
    REGISTRATION,
    PROBABILITIES,
    ALIGNED_MASK,
    DICOM_SEG,
    *INTERMEDIATES,
)
"""Endings of everything that a run can write."""


def result_name(study: str, ending: str) -> str:
    """The name of a study's result."""
    return f"{study}_{ending}"
