"""Which tissue was taken for which."""

from __future__ import annotations

import numpy as np
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import GeometryError
from latup_cli.evaluation.confusion import CLASSES, confusion_matrix, row_shares
from latup_cli.labels import SCHEMES, Tissue
from tests.evaluation.masks import label_map


def test_rows_are_the_reference() -> None:
    """Each voxel is counted once, in the row of its reference tissue, under its prediction."""
    reference = np.array([[[0, 0, 1, 1, 2, 4, 4, 4]]], dtype=np.uint8)
    prediction = np.array([[[0, 4, 1, 2, 2, 4, 4, 0]]], dtype=np.uint8)
    confusion = confusion_matrix(label_map(prediction), label_map(reference))
    assert CLASSES == ("background", "NCR", "ED", "ET")
    assert confusion.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 2]]


def test_schemes_do_not_matter() -> None:
    """The same tissues in other numbers give a diagonal; a resection cavity is background."""
    rng = np.random.default_rng(3)
    reference = label_map(rng.choice(np.array([0, 1, 2, 4], dtype=np.uint8), (5, 6, 7)))
    for name in ("brats2023", "msd"):
        confusion = confusion_matrix(reference.renumbered(SCHEMES[name]), reference)
        assert np.count_nonzero(confusion) == np.count_nonzero(np.diag(confusion)) == 4
    with_cavity = np.where(reference.data == 4, 3, reference.data).astype(np.uint8)
    with_cavity[0, 0, 0] = 4
    cavity = LabelMap(with_cavity, reference.grid, SCHEMES["brats2024"])
    confusion = confusion_matrix(cavity, cavity)
    assert confusion.sum() == confusion.trace() == 5 * 6 * 7
    assert confusion[0, 0] == 1 + np.count_nonzero(with_cavity.ravel()[1:] == 0)


def test_row_shares_add_up_to_one() -> None:
    """Every tissue that occurs is divided over the labels it was given; others are all 0."""
    confusion = np.zeros((4, 4), dtype=np.int64)
    confusion[0] = (6, 2, 0, 0)
    confusion[Tissue.ET] = (1, 0, 0, 3)
    shares = row_shares(confusion)
    assert shares[0].tolist() == [0.75, 0.25, 0.0, 0.0]
    assert shares[Tissue.ET].tolist() == [0.25, 0.0, 0.0, 0.75]
    assert not shares[Tissue.NCR].any()


def test_other_shapes_are_refused() -> None:
    """Label maps of two shapes are never compared."""
    grid = Grid((2, 2, 3), np.eye(4))
    other = LabelMap(np.zeros((2, 2, 3), dtype=np.uint8), grid, SCHEMES["brats2021"])
    with pytest.raises(GeometryError):
        confusion_matrix(other, label_map(np.zeros((2, 3, 2), dtype=np.uint8)))
