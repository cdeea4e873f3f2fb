"""Pictures: round ticks, values at their places, no crash on odd data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.config import LesionChallenge
from latup_cli.evaluation.chart import Frame, Picture, neat_ticks
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.plots import COLORS, draw_confusion, draw_dice, draw_volumes
from latup_cli.evaluation.score import CaseScores, score_case
from tests.evaluation.masks import box, label_map
from tests.properties.strategies import LAW

SHAPE = (16, 14, 12)


def case(found: int, true: int) -> CaseScores:
    """ET of so many voxels of 8 mL."""
    maps = []
    for voxels in (found, true):
        data = 4 * box(SHAPE, (2, 2, 2), (voxels, 1, 1)).astype(np.uint8)
        maps.append(label_map(data, (20.0, 20.0, 20.0)))
    return score_case("p", maps[0], maps[1], RULES[LesionChallenge.GLI])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.0, 179.0, (0.0, 50.0, 100.0, 150.0)),
        (0.0, 0.0042, (0.0, 0.001, 0.002, 0.003, 0.004)),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: tuple[float, ...]) -> None:
    """Ticks are what a person would choose."""
    assert neat_ticks(low, high) == pytest.approx(expected)


@LAW
@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e6))
def test_ticks_lie_inside(low: float, length: float) -> None:
    """One to six ticks between the ends, evenly apart."""
    ticks = neat_ticks(low, low + length)
    slack = 1e-6 * (abs(low) + length)
    assert 1 <= len(ticks) <= 6
    assert low - slack <= ticks[0] <= ticks[-1] <= low + length + slack
    assert np.allclose(np.diff(ticks, 2), 0.0, atol=slack)


def test_values_lie_where_they_belong() -> None:
    """The lower left corner is the least value, and y grows upwards."""
    frame = Frame(10, 20, 100, 50, x=(0.0, 2.0), y=(0.0, 1.0))
    assert frame.place(0.0, 0.0) == (10, 70)
    assert frame.place(2.0, 1.0) == (110, 20)
    assert frame.place(1.0, 0.5) == (60, 45)


def test_a_dot_is_drawn_at_its_place() -> None:
    """A dot has its color in the middle and leaves the rest white."""
    picture = Picture(60, 40)
    picture.dot((20.0, 10.0), COLORS["ET"])
    assert tuple(picture.pixels[10, 20]) == COLORS["ET"]
    assert (picture.pixels[20:] == 255).all()
    assert picture.pixels.shape == (40, 60, 3)


def test_volumes_are_drawn_to_scale() -> None:
    """The same prediction stands at the same height; half the reference, half as far right."""
    centers = []
    for scores in (case(8, 4), case(8, 8)):
        plot = draw_volumes([scores])[:, :560]  # without the legend
        rows, columns = np.nonzero((plot == COLORS["ET"]).all(axis=2))
        centers.append((rows.mean(), columns.mean()))
    (row, column), (other_row, other_column) = centers
    assert row == pytest.approx(other_row, abs=0.5)
    assert other_column - column == pytest.approx(480 * 0.5 / 1.05, abs=1.0)


@pytest.mark.parametrize("cases", [[case(0, 0)], [case(2, 0)], [case(n, 3) for n in range(6)]])
def test_odd_data_can_be_drawn(cases: list[CaseScores]) -> None:
    """One case, nothing at all in it, or everything alike still make pictures."""
    for picture in (draw_dice(cases), draw_volumes(cases), draw_confusion(cases[0].confusion)):
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.min() < 100 < picture.max()
