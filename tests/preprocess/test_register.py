"""A known motion is found between contrasts, slices, axis orders and oblique headers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import Registration, RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.errors import RegistrationFailedError
from latup_cli.imaging.itk import rigid_from_itk, rigid_to_itk
from latup_cli.preprocess.register import register
from tests.preprocess.heads import head, head_points, scan_grid
from tests.properties.strategies import stored_as, tilt

AXIAL = (2.5, 2.5, 5.0)
NEAR_MM = 1.0


def moved_by(degrees: float, shift_mm: tuple[float, float, float]) -> RigidTransform:
    """About the origin, the same angle about each axis."""
    return RigidTransform.about(np.zeros(3), tilt(degrees), np.array(shift_mm))


def pair(motion: RigidTransform) -> tuple[Volume, Volume]:
    """A T1ce in axial slices, and a T2 in oblique sagittal ones after the head has moved."""
    fixed = head(scan_grid(AXIAL, np.eye(3)))
    moving = head(scan_grid((5.0, 2.5, 2.5), tilt(-9.0)), "t2", motion)
    return stored_as(fixed, "LPS"), stored_as(moving, "PIR")


def found(motion: RigidTransform) -> Registration:
    """What `register` says about `pair`."""
    return register(*pair(motion), modality="t2")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """ITK may use a single thread; afterwards as many as before."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


@pytest.fixture(scope="module")
def turned() -> Registration:
    """The motion that several tests look at."""
    return found(moved_by(6.0, (8.0, -9.0, 7.0)))


def test_a_known_motion_is_found(turned: Registration) -> None:
    """Thick oblique slices in another plane, axis order and contrast: below 1 mm off."""
    truth = moved_by(6.0, (8.0, -9.0, 7.0))
    assert turned.transform.mean_displacement_mm(truth, head_points()) < NEAR_MM
    assert turned.rotation_deg == pytest.approx(truth.rotation_deg, abs=1.0)


def test_a_head_turned_far_is_found() -> None:
    """A rotation by 27 degrees, far beyond what one walk follows, is found by the search."""
    truth = moved_by(16.0, (10.0, 10.0, -8.0))
    assert truth.rotation_deg > 25.0
    assert found(truth).transform.mean_displacement_mm(truth, head_points()) < NEAR_MM


def test_the_numbers_tell_a_better_fit(turned: Registration) -> None:
    """Mutual information and overlap rise to what a fit has, and two walks end within 2 mm."""
    assert turned.mutual_information_after > 2.0 * turned.mutual_information_before
    assert turned.numbers["head_overlap"] > 0.95 > turned.numbers["head_overlap_before"]
    assert turned.numbers["repeat_mm"] < 2.0 * NEAR_MM
    assert turned.numbers["inside_share"] == pytest.approx(1.0, abs=0.01)


def test_the_size_of_the_motion_is_that_of_the_head(turned: Registration) -> None:
    """The shift is measured at the middle of the head, not at the scanner's origin."""
    center = head_points().mean(axis=0)
    assert turned.translation_mm == pytest.approx(turned.transform.translation_mm(center), abs=1.5)


@pytest.mark.usefixtures("one_thread")
def test_the_number_of_threads_changes_no_bit(turned: Registration) -> None:
    """A second run in a single thread gives the very same matrix and numbers."""
    again = found(moved_by(6.0, (8.0, -9.0, 7.0)))
    np.testing.assert_array_equal(
        again.transform.moving_from_fixed, turned.transform.moving_from_fixed
    )
    assert again.numbers == turned.numbers
    assert again.mutual_information_after == turned.mutual_information_after


def test_headers_of_different_sessions_are_bridged() -> None:
    """Two coordinate systems whose heads do not overlap at all are laid over each other."""
    truth = moved_by(3.0, (0.0, 0.0, 260.0))
    fixed = head(scan_grid(AXIAL, np.eye(3)))
    there = scan_grid((4.0, 2.5, 2.5), np.eye(3))
    far = Grid(
        there.shape, moved_by(0.0, (0.0, 0.0, 260.0)).moving_from_fixed @ there.ras_from_voxel
    )
    done = register(fixed, head(far, "t2", truth), modality="t2")
    assert done.transform.mean_displacement_mm(truth, head_points()) < NEAR_MM


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_a_blank_image_is_refused_by_name(level: float) -> None:
    """An image without contrast cannot be registered, and the message says which one."""
    fixed = head(scan_grid(AXIAL, np.eye(3)))
    blank = Volume(np.full(fixed.grid.shape, level, dtype=np.float32), fixed.grid)
    with pytest.raises(RegistrationFailedError, match="flair"):
        register(fixed, blank, modality="flair")


@pytest.mark.parametrize("center", [(0.0, 0.0, 0.0), (30.0, -20.0, 50.0)])
def test_transforms_survive_the_way_through_itk(center: tuple[float, float, float]) -> None:
    """RAS to LPS and back is the same motion, and ITK moves a place as we do."""
    motion = moved_by(11.0, (4.0, -5.0, 6.0))
    euler = rigid_to_itk(motion, np.array(center))
    np.testing.assert_allclose(
        rigid_from_itk(euler).moving_from_fixed, motion.moving_from_fixed, atol=1e-9
    )
    there = motion.apply(np.array([10.0, 20.0, 30.0]))
    x, y, z = euler.TransformPoint((-10.0, -20.0, 30.0))
    np.testing.assert_allclose((-x, -y, z), there, atol=1e-9)
