"""Voxel data: what may fill a grid, and what the numbers of a label map mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.errors import GeometryError, LabelValuesError, UnknownLabelSchemeError
from latup_cli.labels import REGIONS, SCHEMES, Tissue, label_scheme
from tests.properties.strategies import LAW, SEEDS

GRID = Grid((4, 5, 3), np.diag([1.0, 2.0, 3.0, 1.0]))
NAMES = st.sampled_from(sorted(SCHEMES))


def random_labels(scheme: str, seed: int) -> LabelMap:
    """Background and every tissue, in the numbers of a scheme."""
    numbers = [0, *SCHEMES[scheme].numbers.values()]
    voxels = np.random.default_rng(seed).choice(numbers, GRID.shape).astype(np.uint8)
    return LabelMap(voxels, GRID, SCHEMES[scheme])


@given(NAMES, NAMES, SEEDS)
@LAW
def test_renumbering_there_and_back_changes_nothing(here: str, there: str, seed: int) -> None:
    """The tissues survive any other scheme, voxel by voxel."""
    labels = random_labels(here, seed)
    back = labels.renumbered(SCHEMES[there]).renumbered(SCHEMES[here])
    np.testing.assert_array_equal(back.data, labels.data)
    assert back.scheme is labels.scheme


@given(NAMES, NAMES, SEEDS)
@LAW
def test_regions_do_not_depend_on_the_numbers(here: str, there: str, seed: int) -> None:
    """Whole tumor, tumor core, enhancing tumor and each tissue are the same in every scheme."""
    labels = random_labels(here, seed)
    other = labels.renumbered(SCHEMES[there])
    for region in REGIONS:
        np.testing.assert_array_equal(other.region(region).data, labels.region(region).data)
    for tissue in Tissue:
        np.testing.assert_array_equal(other.tissue(tissue).data, labels.tissue(tissue).data)


@given(NAMES, SEEDS)
@LAW
def test_regions_are_nested(scheme: str, seed: int) -> None:
    """Enhancing tumor lies in the tumor core, and the core in the whole tumor."""
    labels = random_labels(scheme, seed)
    whole, core, enhancing = (labels.region(name).data for name in ("WT", "TC", "ET"))
    assert not (enhancing & ~core).any()
    assert not (core & ~whole).any()
    np.testing.assert_array_equal(whole, labels.data > 0)


def test_a_resection_cavity_is_no_tumor() -> None:
    """The 4 of BraTS 2024 is background in every scheme without a cavity."""
    voxels = np.zeros(GRID.shape, dtype=np.uint8)
    voxels[0], voxels[1] = 4, 3
    labels = LabelMap(voxels, GRID, SCHEMES["brats2024"])
    assert not labels.region("WT").data[0].any()
    renumbered = labels.renumbered(SCHEMES["brats2021"]).data
    assert set(np.unique(renumbered[0]).tolist()) == {0}
    assert set(np.unique(renumbered[1]).tolist()) == {4}


@pytest.mark.parametrize(
    ("scheme", "ncr", "ed", "et"),
    [("brats2021", 1, 2, 4), ("brats2023", 1, 2, 3), ("brats2024", 1, 2, 3), ("msd", 2, 1, 3)],
)
def test_the_numbers_of_the_field(scheme: str, ncr: int, ed: int, et: int) -> None:
    """Each scheme numbers the tissues as its challenge did."""
    assert label_scheme(scheme).numbers == {Tissue.NCR: ncr, Tissue.ED: ed, Tissue.ET: et}


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    """A scheme that does not exist is a usage error, and the hint names those that do."""
    with pytest.raises(UnknownLabelSchemeError) as caught:
        label_scheme("brats1999")
    assert caught.value.exit_code == 2
    assert all(name in caught.value.hint for name in SCHEMES)


def test_a_number_without_a_meaning_is_refused() -> None:
    """A 3 in a BraTS 2021 map is named in the error."""
    with pytest.raises(LabelValuesError, match=r"\[3\]"):
        LabelMap(np.full(GRID.shape, 3, dtype=np.uint8), GRID, SCHEMES["brats2021"])


def test_voxels_must_fill_their_grid() -> None:
    """Transposed data are a geometry error, and another number type is a type error."""
    with pytest.raises(GeometryError):
        Volume(np.zeros((5, 4, 3), dtype=np.float32), GRID)
    with pytest.raises(TypeError, match="float64"):
        Volume(np.zeros(GRID.shape), GRID)  # type: ignore[arg-type]


def test_voxels_are_read_only() -> None:
    """Nobody can write to a volume's voxels through the volume."""
    volume = Volume(np.zeros(GRID.shape, dtype=np.float32), GRID)
    with pytest.raises(ValueError, match="read-only"):
        volume.data[0, 0, 0] = 1.0


def test_a_mask_has_a_volume() -> None:
    """Ten voxels of 1 by 2 by 3 mm are 0.06 mL."""
    voxels = np.zeros(GRID.shape, dtype=np.bool_)
    voxels.flat[:10] = True
    assert Mask(voxels, GRID).volume_ml == pytest.approx(0.06)
