"""Write label maps and images as NIfTI, the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap
from latup_cli.imaging.atomic import replacing
from latup_cli.imaging.lean import without
from latup_cli.imaging.nifti_bytes import compressing

with without("pydicom"):  # as where headers are read
    import nibabel as nib
    from nibabel.nifti1 import Nifti1Extension

_COMMENT_EXTENSION = 6  # the NIfTI registry's code for plain text


def write_labels(path: Path, labels: LabelMap, codes: SpatialCodes) -> None:
    """Write a label map, its label names in a header extension, byte for byte reproducible.

    Raises:
        OutputError: If it cannot be written.
    """
    names = {str(value): name for value, name in labels.scheme.names.items()}
    note = json.dumps({"label_scheme": labels.scheme.name, "labels": names})
    image = _image(labels.data, labels.grid, codes)
    image.header.extensions.append(Nifti1Extension(_COMMENT_EXTENSION, note.encode("ascii")))
    _save(path, image)


def write_volume(
    path: Path, data: npt.NDArray[np.generic], grid: Grid, codes: SpatialCodes
) -> None:
    """Write an image of any number type: (i, j, k), or (i, j, k, n) for n volumes.

    Raises:
        OutputError: If it cannot be written.
    """
    _save(path, _image(data, grid, codes))


def _image(data: npt.NDArray[np.generic], grid: Grid, codes: SpatialCodes) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, grid.ras_from_voxel)
    image.set_sform(grid.ras_from_voxel, code=codes.sform)
    image.set_qform(grid.ras_from_voxel, code=codes.qform)
    image.header.set_xyzt_units("mm")
    return image


def _save(path: Path, image: nib.Nifti1Image) -> None:
    with replacing(path) as beside, beside.open("wb") as raw:
        if not path.name.endswith(".gz"):
            image.to_stream(raw)
            return
        with compressing(raw) as zipped:
            image.to_stream(zipped)
