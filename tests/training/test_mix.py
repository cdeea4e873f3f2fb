"""A patient with another patient's tumor."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.training.mix import Sample, mix

SHAPE = (14, 16, 18)


def crop(value: float, *, tumor: bool) -> Sample:
    """A brain of one intensity that leaves a corner of the crop empty."""
    image = torch.full((4, *SHAPE), value)
    image[:, :5] = 0.0
    target = torch.zeros((3, *SHAPE))
    if tumor:
        target[0, 4:10, 5:11, 6:12] = 1.0
        target[1:, 6:8, 7:9, 8:10] = 1.0
    return image, target


@given(st.integers(0, 2**32 - 1))
def test_a_mixed_voxel_is_wholly_of_one_patient(seed: int) -> None:
    """Image and target of a voxel come from the same patient; nothing lies outside the brain."""
    host, donor = crop(1.0, tumor=False), crop(2.0, tumor=True)
    image, target = mix(host, donor, np.random.default_rng(seed))
    of_donor = image[0] == 2.0
    assert of_donor.any()
    assert torch.equal(image, torch.where(of_donor, donor[0], host[0]))
    assert torch.equal(target, torch.where(of_donor, donor[1], host[1]))
    assert not image[:, :5].any()
    assert not target[:, :5].any()


@given(st.integers(0, 2**32 - 1))
def test_the_heart_of_the_tumor_always_comes_along(seed: int) -> None:
    """However narrow the margin, the deepest voxels are carved."""
    _, target = mix(crop(1.0, tumor=False), crop(2.0, tumor=True), np.random.default_rng(seed))
    assert target[0, 7, 8, 9] == 1.0


def test_without_a_tumor_nothing_changes() -> None:
    """A donor whose crop shows no tumor leaves the host as it is."""
    host = crop(1.0, tumor=True)
    image, target = mix(host, crop(2.0, tumor=False), np.random.default_rng(0))
    assert torch.equal(image, host[0])
    assert torch.equal(target, host[1])
