"""Predictions in another axis order, and on another grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Volume
from latup_cli.errors import CaseGridError, GeometryError
from latup_cli.evaluation.align import turn_onto
from tests.properties.strategies import AXIS_ORDERS, LAW, make_grid, stored_as, tilt


@LAW
@given(st.sampled_from(AXIS_ORDERS), st.sampled_from(AXIS_ORDERS))
def test_every_axis_order_comes_back(ours: str, theirs: str) -> None:
    """A prediction stored in any axis order lines up with its reference voxel by voxel."""
    grid = make_grid((4, 5, 6), (1.0, 0.7, 2.0), tilt(8.0), (-30.0, 12.0, 5.0))
    data = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    image = Volume(data, grid)
    prediction, reference = stored_as(image, ours), stored_as(image, theirs)
    turn = turn_onto("p1", prediction.grid, reference.grid)
    assert np.array_equal(turn.apply(prediction.data), reference.data)


@pytest.mark.parametrize(
    ("shape", "spacing", "origin", "said"),
    [
        ((9, 8, 7), 1.0, 0.0, "9 x 8 x 7 voxels, not 8 x 8 x 7"),
        ((8, 8, 7), 1.1, 0.0, "voxels of 1.1 x 1.1 x 1.1 mm, not 1 x 1 x 1 mm"),
        ((8, 8, 7), 1.0, 0.5, "up to 0.5 mm apart"),
    ],
)
def test_another_grid_is_refused_by_name(
    shape: tuple[int, int, int], spacing: float, origin: float, said: str
) -> None:
    """The message names the case and how the grids differ."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[0, 3] = origin
    with pytest.raises(CaseGridError, match=said) as refused:
        turn_onto("p17", Grid(shape, affine), Grid((8, 8, 7), np.eye(4)))
    assert "p17" in str(refused.value)
    assert isinstance(refused.value, GeometryError)
    assert refused.value.exit_code == 3


def test_rounded_headers_are_accepted() -> None:
    """Affines that differ by less than 0.1 mm, as single precision and quaternions do, are one."""
    affine = np.eye(4)
    affine[0, 3] = 0.05
    turn = turn_onto("p1", Grid((8, 8, 7), affine), Grid((8, 8, 7), np.eye(4)))
    assert turn.order == (0, 1, 2)
