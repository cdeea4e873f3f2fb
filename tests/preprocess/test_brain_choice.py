"""Of several brain masks, the one that looks most like a brain is kept, and why is said."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask
from latup_cli.errors import GeometryError, NoBrainFoundError
from latup_cli.preprocess.brain_choice import (
    compactness,
    measure_brain,
    most_plausible,
    problems_of,
    symmetry,
)
from tests.properties.strategies import make_grid, tilt

SHAPE = (50, 60, 45)
SPACING = (4.0, 4.0, 4.0)


def grid() -> Grid:
    """Four-millimetre voxels around a head."""
    return make_grid(SHAPE, SPACING, np.eye(3), (-98.0, -118.0, -88.0))


def inside(
    radii_mm: tuple[float, float, float],
    center_mm: tuple[float, float, float] = (0, 0, 0),
    on: Grid | None = None,
) -> npt.NDArray[np.bool_]:
    """(i, j, k) voxels whose centers lie in an ellipsoid."""
    on = on or grid()
    voxels = np.moveaxis(np.indices(on.shape), 0, -1)
    places = voxels @ on.ras_from_voxel[:3, :3].T + on.ras_from_voxel[:3, 3]
    away = ((places - center_mm) / radii_mm) ** 2
    return np.asarray(away.sum(axis=-1) < 1.0)


def brain(center_mm: tuple[float, float, float] = (0, 0, 0)) -> Mask:
    """An ellipsoid of 1.44 L, as long and wide as a brain."""
    return Mask(inside((68.0, 85.0, 60.0), center_mm), grid())


def half_a_brain() -> Mask:
    """The left half and the front of the right one."""
    data = brain().data.copy()
    data[25:, :28] = False
    return Mask(data, grid())


def empty() -> Mask:
    """Nothing."""
    return Mask(np.zeros(SHAPE, dtype=np.bool_), grid())


def test_a_brain_breaks_no_rule() -> None:
    """An ellipsoid of a brain's size is whole, symmetric and compact."""
    facts = measure_brain(brain())
    assert facts.volume_ml == pytest.approx(4 / 3 * np.pi * 6.8 * 8.5 * 6.0, rel=0.03)
    assert facts.in_one == 1.0
    assert facts.symmetry > 0.97
    assert facts.compactness > 0.85
    assert facts.agreement is None
    assert problems_of(facts) == ()


def test_the_first_plausible_mask_is_kept() -> None:
    """Of two that look alike, the more trusted one is kept, whichever is larger."""
    chosen = most_plausible({"t1ce": brain(), "t1": brain((0.0, 4.0, 0.0))})
    assert chosen.name == "t1ce"
    assert chosen.problems == ()
    assert "t1ce" in chosen.reason
    assert chosen.facts["t1"].agreement == chosen.facts["t1ce"].agreement


@pytest.mark.parametrize(
    ("spoiled", "sign"),
    [
        (half_a_brain(), "halves"),
        (Mask(inside((40.0, 50.0, 35.0)), grid()), "it has 2"),
        (Mask(inside((95.0, 110.0, 80.0)), grid()), "mL"),
        (Mask(inside((60.0, 75.0, 50.0)) | inside((20, 20, 20), (0, 95, 60)), grid()), "together"),
        (Mask(inside((68, 85, 60)) & (np.indices(SHAPE)[0] % 3 > 0), grid()), "ragged"),
        (empty(), "no brain was seen"),
    ],
)
def test_a_mask_that_is_no_brain_gives_way(spoiled: Mask, sign: str) -> None:
    """Half a brain, one too small or large, in pieces, ragged or empty: the next one is taken."""
    chosen = most_plausible({"t1ce": spoiled, "t1": brain()})
    assert chosen.name == "t1"
    assert sign in chosen.reason
    assert chosen.problems == ()


def test_of_two_bad_masks_the_better_is_kept_with_its_problems() -> None:
    """Nothing is hidden when no candidate looks like a brain."""
    tiny = Mask(inside((40.0, 50.0, 35.0)), grid())
    tiny_half = Mask(tiny.data & half_a_brain().data, grid())
    chosen = most_plausible({"t1ce": tiny_half, "t1": tiny})
    assert chosen.name == "t1"
    assert chosen.problems == (f"it has {tiny.volume_ml:.0f} mL",)


def test_a_clearly_better_shape_wins_over_the_order() -> None:
    """A first mask that breaks no rule and is dented gives way to a whole one."""
    dented = brain().data & ~inside((25.0, 30.0, 25.0), (55.0, 40.0, 0.0))
    first = Mask(dented, grid())
    assert problems_of(measure_brain(first)) == ()
    chosen = most_plausible({"t1ce": first, "t1": brain()})
    assert chosen.name == "t1"
    assert "better" in chosen.reason


def test_one_of_three_that_is_like_no_other_gives_way() -> None:
    """A mask that lies elsewhere is blamed where two others agree, and not where none do."""
    apart = brain((28.0, 0.0, 0.0))
    assert most_plausible({"t1ce": apart, "t1": brain()}).name == "t1ce"
    chosen = most_plausible({"t1ce": apart, "t1": brain(), "t2": brain((0.0, 4.0, 0.0))})
    assert chosen.name == "t1"
    assert "no other is like it" in chosen.reason


def test_masks_that_are_all_empty_are_refused() -> None:
    """Where no image shows a brain, every image is named and the exit code is 4."""
    with pytest.raises(NoBrainFoundError, match="t1ce, t1") as caught:
        most_plausible({"t1ce": empty(), "t1": empty()})
    assert caught.value.exit_code == 4


def test_masks_of_two_grids_are_not_compared() -> None:
    """Dice across grids would mean nothing."""
    moved = make_grid(SHAPE, SPACING, np.eye(3), (0.0, 0.0, 0.0))
    with pytest.raises(GeometryError):
        most_plausible({"t1ce": brain(), "t1": Mask(brain().data, moved)})


@pytest.mark.parametrize("degrees", [0.0, 8.0, -12.0])
def test_a_tilted_head_is_symmetric_still(degrees: float) -> None:
    """Symmetry is sought in the plane that suits the brain, not in the scanner's."""
    straight = inside((68.0, 85.0, 60.0)) & ~inside((30.0, 60.0, 40.0), (0.0, -80.0, -60.0))
    oblique = make_grid(
        SHAPE, SPACING, tilt(degrees), tuple(tilt(degrees) @ (-98.0, -118.0, -88.0))
    )
    assert symmetry(Mask(straight, grid())) > 0.95
    assert symmetry(Mask(straight, oblique)) > 0.93


def test_compactness_does_not_hang_on_thick_slices() -> None:
    """The same body in slices of 1 and of 5.5 mm is about equally compact."""
    thin = make_grid((160, 190, 130), (1.0, 1.0, 1.0), np.eye(3), (-80.0, -95.0, -65.0))
    thick = make_grid((160, 190, 24), (1.0, 1.0, 5.5), np.eye(3), (-80.0, -95.0, -63.0))
    figures = [compactness(Mask(inside((68.0, 85.0, 60.0), on=on), on)) for on in (thin, thick)]
    assert figures[0] > 0.97
    assert figures[1] > 0.88
