"""Crops lie where the settings ask for, and the seed alone decides which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latup_cli.training.cases import TrainingCase, store, tumor_voxels
from latup_cli.training.crops import Crops, batches, center_of, same_place, window
from latup_cli.training.hardware import Place
from latup_cli.training.settings import TrainSettings
from latup_cli.training.slices import THIN
from latup_cli.training.turn import Turn

PLAIN = TrainSettings(
    window=(16, 24, 8),
    validation_window=(16, 24, 8),
    flips=(0.0, 0.0, 0.0),
    spatial_probability=0.0,
    intensity_probability=0.0,
    drop_probability=0.0,
    steps=3,
    batch_size=2,
)
UNTURNED = Turn(np.eye(3), np.zeros(3))


def case(name: str = "one") -> TrainingCase:
    """A ramp of intensities with a small tumor far from the middle."""
    target = np.zeros((3, 40, 20, 30), dtype=np.uint8)
    target[:, 30:34, 4:6, 22:26] = 255
    target[2, 30:32] = 0
    image = np.arange(target[0].size, dtype=np.float32).reshape(target[0].shape) / 24_000 + 0.1
    voxels = tumor_voxels(target)
    return TrainingCase(name, np.stack([image] * 4).astype(np.float16), target, voxels)


def test_tumor_voxels_are_of_their_tissue() -> None:
    """Each drawn voxel lies in the tissue that it is drawn for; an absent one has none."""
    drawn = tumor_voxels(case().target)
    assert set(drawn[:, 0]) == {1, 2}
    for tissue, i, j, k in drawn:
        wt, tc, et = case().target[:, i, j, k] > 0
        assert (wt, tc, et) == (True, True, tissue == 2)


def test_tumor_crops_hold_the_tumor() -> None:
    """With a tumor share of one, every crop's center is tumor."""
    settings = replace(PLAIN, tumor_share=1.0)
    for seed in range(8):
        center = center_of(case(), settings, np.random.default_rng(seed))
        _, target = window(case(), center, UNTURNED, settings, THIN)
        assert target.shape == (3, 16, 24, 8)
        assert target[0, 8, 12, 4] == pytest.approx(1.0, abs=1e-4)


def test_other_crops_lie_inside_the_brain_box() -> None:
    """No padding along an axis that is longer than the window; the middle along a shorter one."""
    for seed in range(8):
        center = center_of(case(), PLAIN, np.random.default_rng(seed))
        image, _ = window(case(), center, UNTURNED, PLAIN, THIN)
        assert (image[0, :, 2:22] > 0).all()
        assert (image[0, :, :2] == 0).all()


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    """Stored cases, a later start and more processes see the same crops."""
    memory = [case("a"), case("b"), case("c")]
    stored = [store(c, tmp_path / c.name) for c in memory]
    alone = list(batches(Crops(memory, PLAIN), 0, Place("cpu", "float32")))
    later = list(batches(Crops(stored, PLAIN), 1, Place("cpu", "float32")))
    assert len(alone) == 3
    for one, other in zip(alone[1:], later, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    halves = replace(PLAIN, batch_size=1)
    ranks = [list(batches(Crops(memory, halves), 0, Place("cpu", "float32", r, 2))) for r in (0, 1)]
    for step, (image, _) in enumerate(alone):
        joined = torch.cat([ranks[0][step][0], ranks[1][step][0]])
        assert torch.equal(image, joined)


def test_augmented_crops_stay_inside_the_brain() -> None:
    """Whatever is added, background stays exactly zero and targets stay shares."""
    wild = replace(PLAIN, spatial_probability=1.0, intensity_probability=1.0, flips=(1.0, 1.0, 1.0))
    image, target = Crops([case()], wild)[0]
    outside = (image == 0).all(dim=0)
    assert outside.any()
    assert target.min() >= 0
    assert target.max() <= 1
    assert image.shape == (4, 16, 24, 8)


def test_a_place_is_the_same_share_of_another_brain() -> None:
    """A voxel keeps its share of the way along each axis, and stays inside."""
    wide = TrainingCase("w", np.zeros((4, 80, 20, 60)), np.zeros((3, 80, 20, 60), dtype=np.uint8))
    assert same_place((30, 5, 29), case(), wide) == (60, 5, 58)
    assert same_place((79, 19, 59), wide, case()) == (39, 19, 29)


def test_mixed_crops_show_the_other_tumor() -> None:
    """A patient without a tumor gets one in every crop when mixing is certain."""
    healthy = replace(case("healthy"), target=np.zeros((3, 40, 20, 30), dtype=np.uint8))
    settings = replace(PLAIN, tumor_share=1.0, mix_probability=1.0, steps=20)
    crops = Crops([healthy, case("ill")], settings)
    tumors = [float(crops[index][1][0].sum()) for index in range(20)]
    assert sum(tumor > 0 for tumor in tumors) >= 12
    plain = Crops([healthy], replace(settings, mix_probability=0.0))
    assert float(plain[0][1].sum()) == 0.0
