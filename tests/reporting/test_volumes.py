"""Volumes are right, and do not depend on how the voxels are stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.volume import LabelMap, Mask
from latup_cli.errors import GeometryError
from latup_cli.labels import SCHEMES
from latup_cli.reporting.volumes import measure

ORDERS = [
    "".join(codes)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for codes in itertools.product(*axes)
]


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[LabelMap, Mask]:
    """Random tissues on a random oblique, sheared, anisotropic grid."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    axes, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = axes * random.uniform(0.3, 6.0, 3) + random.uniform(-0.05, 0.05, (3, 3))
    affine[:3, 3] = random.uniform(-200, 200, 3)
    grid = Grid(shape, affine)
    scheme = SCHEMES[draw(st.sampled_from(["brats2021", "brats2023", "msd"]))]
    data = random.choice(sorted(scheme.values), shape).astype(np.uint8)
    brain = random.random(shape) < 0.8
    brain.flat[0] = True
    return LabelMap(data, grid, scheme), Mask(brain, grid)


@given(segmentations(), st.sampled_from(ORDERS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_volumes_ignore_axis_order(segmentation: tuple[LabelMap, Mask], order: str) -> None:
    """Flipping and permuting axes changes no voxel count and no volume."""
    labels, brain = segmentation
    turn = reorientation(labels.grid, order)
    turned = measure(
        LabelMap(turn.apply(labels.data), turn.grid(labels.grid), labels.scheme),
        Mask(turn.apply(brain.data), turn.grid(labels.grid)),
    )
    before = measure(labels, brain)
    assert turned.brain_voxels == before.brain_voxels
    assert turned.brain_ml == pytest.approx(before.brain_ml, rel=1e-9)
    for one, other in zip(turned.regions, before.regions, strict=True):
        assert (one.region, one.voxels) == (other.region, other.voxels)
        assert one.volume_ml == pytest.approx(other.volume_ml, rel=1e-9)
        assert one.share_of_brain_percent == other.share_of_brain_percent


@given(segmentations())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_regions_add_up(segmentation: tuple[LabelMap, Mask]) -> None:
    """WT is TC and ED, TC is ET and NCR, whatever the numbers of the scheme."""
    volumes = measure(*segmentation)
    voxels = {volume.region: volume.voxels for volume in volumes.regions}
    assert voxels["WT"] == voxels["TC"] + voxels["ED"]
    assert voxels["TC"] == voxels["ET"] + voxels["NCR"]
    assert voxels["WT"] == np.count_nonzero(segmentation[0].data)


def test_known_volumes(labels: LabelMap, brain: Mask) -> None:
    """64 voxels of 3 mm3 are 0.192 mL, and 1/60 of a brain of 3840 voxels."""
    volumes = measure(labels, brain)
    assert [(v.region, v.voxels) for v in volumes.regions] == [
        ("WT", 64),
        ("TC", 4),
        ("ET", 3),
        ("NCR", 1),
        ("ED", 60),
    ]
    assert volumes["WT"].volume_ml == pytest.approx(0.192)
    assert volumes.brain_ml == pytest.approx(11.52)
    assert volumes["WT"].share_of_brain_percent == pytest.approx(100 / 60)


def test_sheared_voxels_have_the_volume_of_the_determinant() -> None:
    """A shear leaves volume alone, though the axes get longer."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 2] = 1.5
    grid = Grid((1, 1, 1), affine)
    one = LabelMap(np.full((1, 1, 1), 2, dtype=np.uint8), grid, SCHEMES["brats2021"])
    volumes = measure(one, Mask(np.ones((1, 1, 1), dtype=bool), grid))
    assert volumes["ED"].volume_ml == pytest.approx(0.008)


def test_unknown_region_is_a_key_error(labels: LabelMap, brain: Mask) -> None:
    """A region that is not measured is refused by name."""
    with pytest.raises(KeyError, match="XX"):
        measure(labels, brain)["XX"]


def test_empty_brain_is_refused(labels: LabelMap) -> None:
    """Without a brain there is no share to state."""
    with pytest.raises(ValueError, match="empty brain"):
        measure(labels, Mask(np.zeros(labels.grid.shape, dtype=bool), labels.grid))


def test_other_grid_is_refused(labels: LabelMap, brain: Mask) -> None:
    """A brain mask of another place is never counted against this tumor."""
    moved = labels.grid.ras_from_voxel.copy()
    moved[0, 3] += 5.0
    with pytest.raises(GeometryError):
        measure(labels, Mask(brain.data, Grid(labels.grid.shape, moved)))
