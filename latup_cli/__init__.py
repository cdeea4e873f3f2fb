"""Segment brain tumors from four-modality MRI on a clinician's workstation."""

__version__ = "0.1.0"
