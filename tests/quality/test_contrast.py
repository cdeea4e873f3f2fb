"""The names T1, T1ce, T2 and FLAIR are checked against what the pixels show."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from latup_cli.domain.finding import Verdict
from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError
from latup_cli.labels import MODALITIES
from latup_cli.quality.coarse import Coarse
from latup_cli.quality.contrast import NAMED, QUESTIONS, check_channels, measure_order, order_seen
from latup_cli.quality.tissue import Tissues, csf_splits, tissues
from tests.quality.brains import GRID, SHAPE, around, changed, images

VOXELS, SLICE_MM = 3, 9.0
WRONG = [order for order in permutations(MODALITIES) if order != MODALITIES]


def exchanged(first: str, second: str) -> dict[str, Volume]:
    """The made-up study with two names exchanged."""
    named = dict(images())
    named[first], named[second] = named[second], named[first]
    return named


def test_true_names_are_accepted() -> None:
    """Every question is asked and answered yes where the names are right."""
    findings = check_channels(around(images()))
    assert [finding.check for finding in findings] == [check.name for check, *_ in QUESTIONS]
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert all(not finding.hint for finding in findings)


@pytest.mark.parametrize("order", WRONG, ids="-".join)
def test_every_wrong_order_is_refused(order: tuple[str, str, str, str]) -> None:
    """Each of the 23 wrong orders of the four names is refused."""
    found = tissues(around(images()))
    assert measure_order(found, order)[-1].verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("t1", "t1ce", "what is named T1 looks like T1ce and what is named T1ce looks like T1"),
        ("t2", "flair", "what is named T2 looks like FLAIR and what is named FLAIR looks like T2"),
        ("t1", "t2", "what is named T1 looks like T2 and what is named T2 looks like T1"),
    ],
)
def test_a_refusal_says_which_is_which(first: str, second: str, said: str) -> None:
    """Where two names are exchanged, the message names both, and the hint says what to do."""
    refused = check_channels(around(exchanged(first, second)))[-1]
    assert refused.verdict is Verdict.REFUSED
    assert said in refused.meaning
    assert "--t1ce" in refused.hint


@pytest.mark.parametrize(
    "order", [NAMED, ("flair", "t2", "t1ce", "t1"), ("t2", "t1", "flair", "t1ce")]
)
def test_the_order_is_read_from_the_pixels(order: tuple[str, str, str, str]) -> None:
    """Whatever the names, the pixels speak for the same images in the same roles."""
    named = {name: images()[true] for name, true in zip(NAMED, order, strict=True)}
    seen = order_seen(tissues(around(named)))
    assert tuple(order[NAMED.index(name)] for name in seen) == NAMED


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(1e-3, 1e4), min_size=4, max_size=4))
def test_a_factor_changes_nothing(factors: list[float]) -> None:
    """Intensities may come in any unit."""
    scaled = {
        name: changed(image, image.data * np.float32(factor))
        for (name, image), factor in zip(images().items(), factors, strict=True)
    }
    here, there = (check_channels(around(study)) for study in (images(), scaled))
    assert [f.value for f in there] == pytest.approx([f.value for f in here], abs=0.02)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_smooth_field_changes_no_verdict(name: str) -> None:
    """Coil sensitivity that varies threefold from one side to the other misleads no question."""
    ramp = np.linspace(0.5, 1.5, SHAPE[0])[:, None, None]
    tilted = {**images(), name: changed(images()[name], images()[name].data * ramp)}
    assert {f.verdict for f in check_channels(around(tilted))} == {Verdict.OK}


def test_a_hundred_gray_levels_are_enough() -> None:
    """Images that were stored in about 100 levels are told apart as before."""
    coarse = {
        name: changed(image, np.ceil(image.data * (100.0 / image.data.max())))
        for name, image in images().items()
    }
    assert {f.verdict for f in check_channels(around(coarse))} == {Verdict.OK}


def test_no_contrast_agent_is_no_refusal() -> None:
    """Where T1ce shows nothing that T1 lacks, it cannot be told which is which: a warning."""
    same = {**images(), "t1ce": images()["t1"]}
    last = check_channels(around(same))[-1]
    assert last.subject == "t1, t1ce"
    assert last.verdict is Verdict.WARNING
    assert "do not tell" in last.meaning


def test_too_little_brain_is_not_judged() -> None:
    """A few mL, or an image that is empty, are a warning and no verdict about names."""
    block = np.zeros(SHAPE, dtype=np.bool_)
    block[25:35, 25:35, 25:35] = True
    small = check_channels(around(images(), Mask(block, GRID)))
    empty = {**images(), "t2": changed(images()["t2"], np.zeros(SHAPE))}
    for findings in (small, check_channels(around(empty))):
        assert [finding.verdict for finding in findings] == [Verdict.WARNING]


def test_thick_slices_refuse_no_true_name() -> None:
    """Slices of 7.5 and 9 mm, along another axis in each image, do not make true names wrong."""
    found = check_channels(in_slices(VOXELS), slice_mm=SLICE_MM)
    assert [finding.verdict for finding in found] == [Verdict.OK] * len(QUESTIONS)


def test_the_rim_of_thick_slices_is_not_taken_for_csf() -> None:
    """CSF tells T1-like from T2-like images better where the thickness of slices is known."""
    blurred = in_slices(4)
    unknown, known = (csf_splits(tissues(blurred, slice_mm=mm), NAMED) for mm in (0.0, 12.0))
    assert known > unknown + 0.2


@pytest.mark.parametrize("order", WRONG, ids="-".join)
def test_thick_slices_accept_no_wrong_order(order: tuple[str, str, str, str]) -> None:
    """With thick slices, none of the 23 wrong orders passes without a word."""
    findings = measure_order(thick_tissues(), order)
    assert {finding.verdict for finding in findings} != {Verdict.OK}


@given(st.floats(0.0, 2.0), st.floats(2.5, 9.0))
@settings(max_examples=5, deadline=None)
def test_thick_slices_leave_out_a_deeper_rim(thin_mm: float, thick_mm: float) -> None:
    """Slices that are thinner than the checks look change nothing; thicker ones cost a rim."""
    none, thin, thick = (
        tissues(around(images()), slice_mm=mm).inside for mm in (0.0, thin_mm, thick_mm)
    )
    assert np.array_equal(none, thin)
    assert not (thick & ~thin).any()
    assert np.count_nonzero(thick) <= np.count_nonzero(thin)


@cache
def thick_tissues() -> Tissues:
    """What is seen in the made-up study with thick slices."""
    return tissues(in_slices(VOXELS), slice_mm=SLICE_MM)


@cache
def in_slices(voxels: int) -> Coarse:
    """The made-up study, each image averaged over a few voxels along an axis of its own."""
    study = {}
    for axis, (name, image) in zip((0, 1, 2, 0), images().items(), strict=True):
        means = ndimage.uniform_filter1d(image.data, voxels, axis=axis)
        nearest = np.arange(SHAPE[axis]) // voxels * voxels + voxels // 2
        study[name] = changed(image, means.take(nearest, axis=axis, mode="clip"))
    shown = np.any([image.data > 0 for image in study.values()], axis=0)
    return around(study, Mask(shown, GRID))


def test_another_grid_is_refused() -> None:
    """The images and the brain must lie on one grid."""
    elsewhere = Volume(images()["t1"].data, Grid(SHAPE, np.diag([2.5, 2.5, 3.0, 1.0])))
    with pytest.raises(GeometryError):
        around({**images(), "t1": elsewhere})
