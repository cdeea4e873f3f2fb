"""Which tissue was taken for which, voxel by voxel."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.domain.volume import LabelMap
from latup_cli.errors import GeometryError
from latup_cli.labels import Tissue

Confusion: TypeAlias = npt.NDArray[np.int64]
"""(4, 4) voxel counts: reference by prediction, both in the order of `CLASSES`."""

CLASSES = ("background", *(tissue.name for tissue in Tissue))
"""Names of the rows and columns: background, NCR, ED, ET."""


def confusion_matrix(prediction: LabelMap, reference: LabelMap) -> Confusion:
    """Count the voxels of each reference tissue that were given each label.

    Values that a scheme ignores, such as a resection cavity, are background.

    Raises:
        GeometryError: If the label maps do not have the same shape.
    """
    if prediction.data.shape != reference.data.shape:
        raise GeometryError("Label maps of two shapes cannot be compared.")
    count = len(CLASSES)
    cells = _indices(reference) * np.uint8(count) + _indices(prediction)
    return np.bincount(cells.ravel(), minlength=count**2).reshape(count, count).astype(np.int64)


def row_shares(confusion: Confusion) -> npt.NDArray[np.float64]:
    """(4, 4): of each reference tissue, the share that was given each label; 0 where it is absent.

    Every row of a tissue that occurs adds up to 1.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    shares: npt.NDArray[np.float64] = confusion / np.maximum(totals, 1)
    return shares


def _indices(labels: LabelMap) -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for tissue, number in labels.scheme.numbers.items():
        table[number] = tissue.value
    return table[labels.data]
