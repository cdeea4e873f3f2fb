"""Exit code 3: a source series that a DICOM Segmentation cannot refer to."""

from __future__ import annotations

from latup_cli.errors.study import GeometryError


class SegmentationSourceError(GeometryError):
    """The label map cannot be laid on the planes of the series that it was made from."""

    hint = "Leave --dicom-seg out, or give the original series of the T1ce."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)

    def __str__(self) -> str:
        return f"No DICOM Segmentation of the T1ce series: {self.args[0]}."
