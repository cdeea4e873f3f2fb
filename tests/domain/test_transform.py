"""Rigid transforms compose, invert and measure as motions of a head do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.domain.transform import Points, RigidTransform
from latup_cli.errors import GeometryError
from tests.properties.strategies import LAW, SEEDS, rotation, tilt

CENTER = np.array([12.0, -30.0, 45.0])


def motion(seed: int) -> RigidTransform:
    """Any rotation and a shift of some tens of mm."""
    turn = rotation(seed)
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    return RigidTransform.about(CENTER, turn, np.random.default_rng(seed).normal(0.0, 20.0, 3))


def places(seed: int) -> Points:
    """(20, 3) somewhere in a head."""
    return np.random.default_rng(seed).normal(0.0, 60.0, (20, 3))


@given(SEEDS, SEEDS)
@LAW
def test_a_transform_and_its_inverse_cancel(seed: int, other: int) -> None:
    """There and back again is where one was, for any motion and any place."""
    points = places(other)
    there = motion(seed)
    np.testing.assert_allclose(there.inverse().apply(there.apply(points)), points, atol=1e-9)
    np.testing.assert_allclose((there.inverse() @ there).moving_from_fixed, np.eye(4), atol=1e-9)


@given(SEEDS, SEEDS)
@LAW
def test_products_read_right_to_left(seed: int, other: int) -> None:
    """The right transform of a product acts first, as with affines."""
    first, second, points = motion(seed), motion(other), places(seed)
    np.testing.assert_allclose(
        (second @ first).apply(points), second.apply(first.apply(points)), atol=1e-9
    )


@pytest.mark.parametrize("degrees", [0.0, 1e-5, 0.5, 15.0, 90.0, 179.999, 180.0])
def test_the_angle_is_exact_near_both_ends(degrees: float) -> None:
    """An angle about one axis comes back as it went in, even near 0 and 180 degrees."""
    angle = np.radians(degrees)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    turned = RigidTransform.about(CENTER, turn, np.zeros(3))
    assert turned.rotation_deg == pytest.approx(degrees, abs=1e-6)


@given(SEEDS, st.floats(0.0, 40.0))
@LAW
def test_the_shift_is_measured_at_the_given_center(seed: int, shift_mm: float) -> None:
    """A head that turns about its center has moved by the shift alone."""
    direction = np.random.default_rng(seed).normal(size=3)
    shift = shift_mm * direction / np.linalg.norm(direction)
    moved = RigidTransform.about(CENTER, tilt(10.0), shift)
    assert moved.translation_mm(CENTER) == pytest.approx(shift_mm, abs=1e-9)


def test_the_mean_displacement_of_a_pure_shift_is_the_shift() -> None:
    """Two transforms that differ by 3 and 4 mm along two axes lie 5 mm apart everywhere."""
    turned = RigidTransform.about(CENTER, tilt(8.0), np.zeros(3))
    shifted = RigidTransform.about(CENTER, np.eye(3), np.array([3.0, 4.0, 0.0])) @ turned
    assert turned.mean_displacement_mm(shifted, places(3)) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.diag([-1.0, 1.0, 1.0, 1.0]),
        np.diag([1.01, 1.0, 1.0, 1.0]),
        np.diag([1.0, 1.0, 1.0, 2.0]),
        np.full((4, 4), np.nan),
    ],
    ids=["3 by 3", "mirrored", "scaled", "projective", "not a number"],
)
def test_only_proper_rotations_are_taken(matrix: Points) -> None:
    """What mirrors, scales or is no number is refused when it is made."""
    with pytest.raises(GeometryError):
        RigidTransform(matrix)


def test_a_transform_cannot_be_changed_from_outside() -> None:
    """Neither the given array nor the attribute changes a transform later."""
    matrix = np.eye(4)
    still = RigidTransform(matrix)
    matrix[0, 3] = 5.0
    assert still.moving_from_fixed[0, 3] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        still.moving_from_fixed[0, 3] = 1.0
