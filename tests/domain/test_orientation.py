"""All 48 axis orders: turning moves no voxel in the scanner and can be undone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.orientation import axis_codes, reorientation
from latup_cli.errors import GeometryError
from tests.properties.strategies import AXIS_ORDERS, LAW, grids, make_grid, tilt, voxels_of, world

SHAPE = (4, 6, 5)
MARKED = (1, 4, 3)


def slanted(codes: str = "RAS") -> Grid:
    """An anisotropic grid some degrees off the body's axes, in any axis order."""
    ras = make_grid(SHAPE, (1.0, 1.5, 4.0), tilt(12.0), (10.0, -20.0, 30.0))
    return reorientation(ras, codes).grid(ras)


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_the_result_has_the_axis_order_that_was_asked_for(codes: str) -> None:
    """From RAS to any order, the letters read back from the affine are those asked for."""
    assert axis_codes(slanted(codes)) == codes


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_turning_can_be_undone(codes: str) -> None:
    """Undoing a turn gives the source array back, and turning an undone one the target."""
    turn = reorientation(slanted("LSP"), codes)
    source = np.arange(np.prod(slanted("LSP").shape)).reshape(slanted("LSP").shape)
    target = turn.apply(source)
    np.testing.assert_array_equal(turn.undo(target), source)
    np.testing.assert_array_equal(turn.apply(turn.undo(target)), target)


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_a_marked_voxel_stays_where_it_is(codes: str) -> None:
    """A voxel's place in RAS+ mm is the same before and after, to any order and back to RAS."""
    grid = slanted()
    marked = np.zeros(SHAPE)
    marked[MARKED] = 1.0
    there = reorientation(grid, codes)
    turned, turned_grid = there.apply(marked), there.grid(grid)
    assert turned.shape == turned_grid.shape
    np.testing.assert_allclose(
        world(turned_grid, np.argwhere(turned)[0]), world(grid, MARKED), atol=1e-9
    )
    back = reorientation(turned_grid, "RAS")
    np.testing.assert_array_equal(back.apply(turned), marked)
    assert back.grid(turned_grid).matches(grid, tolerance_mm=1e-9)


@given(grids(), st.sampled_from(AXIS_ORDERS), st.data())
@LAW
def test_turning_moves_no_voxel_at_any_angle(grid: Grid, codes: str, data: st.DataObject) -> None:
    """However oblique the grid, a voxel's value and its place stay together."""
    voxel = data.draw(voxels_of(grid.shape))
    numbered = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    turn = reorientation(grid, codes)
    found = np.argwhere(turn.apply(numbered) == numbered[voxel])[0]
    np.testing.assert_allclose(world(turn.grid(grid), found), world(grid, voxel), atol=1e-8)


@given(grids())
@LAW
def test_every_grid_has_three_different_axes(grid: Grid) -> None:
    """Even at 45 degrees no anatomical axis is named twice."""
    pairs = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
    assert sorted(pairs[letter] for letter in axis_codes(grid)) == [0, 1, 2]


def test_turning_copies_nothing() -> None:
    """A turned array is a view, so that four images cost no memory twice."""
    source = np.zeros(SHAPE)
    assert np.shares_memory(reorientation(slanted(), "SPL").apply(source), source)


@pytest.mark.parametrize("codes", ["RAX", "RRS", "RLS", "RA", "", "RASR", "ras"])
def test_letters_that_name_no_axis_order_are_refused(codes: str) -> None:
    """An axis order names left-right, front-back and up-down once each."""
    with pytest.raises(GeometryError):
        reorientation(slanted(), codes)
