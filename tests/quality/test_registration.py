"""Whether a modality lies where the reference lies is told in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import Registration, RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.errors import GeometryError
from latup_cli.quality.coarse import Coarse
from latup_cli.quality.registration import Agreement, Reference, agreement, check_registration
from tests.quality.brains import SHAPE, SPACING_MM, around, changed, images, shifted

MOVING = ("t1", "t2", "flair")


def with_reference(image: Volume, modality: str) -> Coarse:
    """One image beside the made-up T1ce."""
    return around({"t1ce": images()["t1ce"], modality: image})


def measured(image: Volume, modality: str) -> Agreement:
    """How well one image lies over the made-up T1ce."""
    return agreement(Reference.of(with_reference(image, modality), "t1ce"), modality)


def judged(image: Volume, modality: str = "t2") -> dict[str, Finding]:
    """Findings about one image by the name of the check."""
    found = check_registration(with_reference(image, modality), "t1ce")
    return {finding.check: finding for finding in found}


@pytest.mark.parametrize("modality", MOVING)
def test_an_aligned_image_is_accepted(modality: str) -> None:
    """Images of one anatomy on one grid pass every check."""
    assert {f.verdict for f in judged(images()[modality], modality).values()} == {Verdict.OK}


@pytest.mark.parametrize("modality", MOVING)
@pytest.mark.parametrize("shift_mm", [(5.0, 0.0, 0.0), (0.0, -5.0, 3.0), (5.0, 2.5, -6.0)])
def test_a_shift_is_measured(modality: str, shift_mm: tuple[float, float, float]) -> None:
    """What is left of a shift is found within half a voxel, from any contrast."""
    moved = shifted(images()[modality], shift_mm)
    found = measured(moved, modality).residual_mm
    assert found == pytest.approx(np.linalg.norm(shift_mm), abs=max(SPACING_MM) / 2)


def test_a_large_shift_is_refused() -> None:
    """A centimeter is refused, and the hint says what can be done."""
    found = judged(shifted(images()["t2"], (7.5, 5.0, 6.0)))
    refused = [f for f in found.values() if f.verdict is Verdict.REFUSED]
    assert refused
    assert all("register" in f.hint for f in refused)


@pytest.mark.parametrize("modality", MOVING)
def test_another_patient_is_refused(modality: str) -> None:
    """An image of another anatomy in the same brain outline is refused."""
    other = images(seed=2)[modality]
    assert Verdict.REFUSED in {f.verdict for f in judged(other, modality).values()}


def test_half_a_head_is_refused() -> None:
    """An image that lacks one side does not overlap."""
    data = images()["flair"].data.copy()
    data[: SHAPE[0] // 2] = 0
    assert judged(changed(images()["flair"], data))["overlap of heads"].verdict is Verdict.REFUSED


def test_an_empty_image_is_refused() -> None:
    """An image without signal is refused without an exception."""
    found = judged(changed(images()["t2"], np.zeros(SHAPE)))
    assert found["overlap of heads"].value == 0.0
    assert Verdict.REFUSED in {f.verdict for f in found.values()}


def test_numbers_ignore_units() -> None:
    """A positive factor changes no number."""
    here = measured(images()["flair"], "flair")
    scaled = changed(images()["flair"], images()["flair"].data * 37.0)
    there = measured(scaled, "flair")
    assert there.edges == pytest.approx(here.edges, abs=1e-3)
    assert there.mutual_information == pytest.approx(here.mutual_information, abs=1e-3)
    assert there.residual_mm == pytest.approx(here.residual_mm, abs=0.05)


def test_the_size_of_the_motion_is_judged() -> None:
    """What registration did is reported, and a registration that made it worse is a warning."""
    motion = Registration(
        modality="t2",
        transform=RigidTransform.identity(),
        mutual_information_before=0.2,
        mutual_information_after=0.1,
        rotation_deg=2.0,
        translation_mm=4.0,
        start="headers",
        seconds=1.0,
    )
    found = check_registration(with_reference(images()["t2"], "t2"), "t1ce", motions={"t2": motion})
    by_check = {finding.check: finding for finding in found}
    assert by_check["shift"].value == 4.0
    assert by_check["turn"].value == 2.0
    assert by_check["mutual information won"].verdict is Verdict.WARNING


def test_another_grid_is_refused() -> None:
    """Numbers are only measured on one grid."""
    elsewhere = Volume(images()["t2"].data, Grid(SHAPE, np.diag([2.5, 2.5, 3.0, 1.0])))
    with pytest.raises(GeometryError):
        judged(elsewhere)
