"""Read and write NIfTI files. The only package that imports nibabel."""

from latup_cli.imaging.nifti.reading import (
    NiftiImage,
    count_volumes,
    read,
    read_labels,
    read_volumes,
)
from latup_cli.imaging.nifti.writing import write_labels, write_volume

__all__ = [
    "NiftiImage",
    "count_volumes",
    "read",
    "read_labels",
    "read_volumes",
    "write_labels",
    "write_volume",
]
