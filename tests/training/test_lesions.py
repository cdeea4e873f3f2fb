"""Lesions of other patients lie where they should, as large as they were, and only in the brain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from latup_cli.errors import LesionsError
from latup_cli.training.cases import TrainingCase
from latup_cli.training.crops import Crops
from latup_cli.training.lesions import Lesions, implanted
from latup_cli.training.mix import Sample
from latup_cli.training.settings import TrainSettings
from latup_cli.training.slices import THIN, Scan
from latup_cli.training.turn import Turn, draw_turn
from tests.properties.strategies import LAW, SEEDS

WINDOW = (24, 28, 32)
CUBE = (12, 12, 12)
UNTURNED = Turn(np.eye(3), np.zeros(3))
HEALTHY, OTHER, LESION = 1.0, 2.0, 8.0


def cubes(spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Lesions:
    """A brain of one intensity around a lesion of another, four voxels wide, all of it ET."""
    image = np.full((4, *CUBE), OTHER, dtype=np.float16)
    target = np.zeros((3, *CUBE), dtype=np.uint8)
    image[:, 4:8, 4:8, 4:8] = LESION
    target[:, 4:8, 4:8, 4:8] = 255
    return Lesions(image[None], target[None], np.array(spacing_mm))


def host() -> Sample:
    """A healthy brain of one intensity that leaves a slab of the crop empty."""
    image = torch.full((4, *WINDOW), HEALTHY)
    image[:, :6] = 0.0
    return image, torch.zeros((3, *WINDOW))


@given(SEEDS)
@LAW
def test_a_lesion_is_seen_where_it_is_labeled(seed: int) -> None:
    """Labeled voxels are the lesion's, healthy ones the brain's or what was around the lesion."""
    image, target = implanted(host(), cubes(), UNTURNED, THIN, 1.0, np.random.default_rng(seed))
    assert (image[:, target[0] == 1.0] == LESION).all()
    healthy = image[:, :, 6:][:, target[0, :, 6:] == 0.0]
    assert set(healthy.unique().tolist()) <= {0.0, HEALTHY, OTHER}
    assert torch.equal(target[0], target[2])


@given(SEEDS)
@LAW
def test_nothing_is_put_outside_the_brain(seed: int) -> None:
    """However the window lies, the background stays empty and the host itself is not changed."""
    random, given_host = np.random.default_rng(seed), host()
    settings = TrainSettings(window=WINDOW[:1] * 3, rotation_rad=1.0, flips=(0.5, 0.5, 0.5))
    turn = draw_turn(settings, random)
    image, target = implanted(given_host, cubes((2.0, 1.0, 0.5)), turn, THIN, 1.0, random)
    assert not image[:, :6].any()
    assert not target[:, :6].any()
    assert torch.equal(given_host[0], host()[0])
    assert not given_host[1].any()


def test_a_lesion_keeps_its_size_in_millimeters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four voxels of 2.2, 1.1 and 0.6 mm are never more than that, whatever the margin."""
    monkeypatch.setattr("latup_cli.training.lesions._MOST", 1)
    empty = torch.zeros((3, 40, 40, 40))
    brain, lesions = torch.full((4, 40, 40, 40), HEALTHY), cubes((2.2, 1.1, 0.6))
    longest = torch.zeros(3)
    for seed in range(30):
        random = np.random.default_rng(seed)
        _, target = implanted((brain, empty), lesions, UNTURNED, THIN, 1.0, random)
        lengths = [target[0].sum(dim=axis).max() for axis in range(3)]
        longest = torch.maximum(longest, torch.stack(lengths))
    np.testing.assert_allclose(longest, (8.8, 4.4, 2.4), atol=0.3)


def test_a_lesion_is_scanned_like_its_host() -> None:
    """Its edge is as sharp as before along two axes, and blurred across the slices."""
    brain = torch.full((4, 40, 40, 40), OTHER)
    scan = Scan(((2, 4.0), None, None, None))
    for seed in range(8):
        image, target = implanted(
            (brain, torch.zeros((3, 40, 40, 40))),
            cubes(),
            UNTURNED,
            scan,
            1.0,
            np.random.default_rng(seed),
        )
        assert (image[1:, target[0] == 1.0] == LESION).all()
        assert (image[0, target[0] == 1.0] < LESION).any()


def test_a_crop_without_brain_stays_as_it_is() -> None:
    """There is no place for a lesion in it."""
    nothing = torch.zeros((4, *WINDOW))
    image, target = implanted(
        (nothing, nothing[:3]), cubes(), UNTURNED, THIN, 1.0, np.random.default_rng(0)
    )
    assert not image.any()
    assert not target.any()


def test_lesions_come_back_from_their_file(tmp_path: Path) -> None:
    """Images, targets and the size of their voxels."""
    made = cubes((1.875, 1.875, 1.25))
    made.save(tmp_path / "lesions.npz")
    found = Lesions.load(tmp_path / "lesions.npz")
    for name in ("images", "targets", "spacing_mm"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
        assert getattr(found, name).dtype == getattr(made, name).dtype


def test_another_file_is_refused(tmp_path: Path) -> None:
    """No file, none of lesions, or arrays that do not belong together are an error with a hint."""
    (tmp_path / "text.npz").write_text("no lesions", encoding="utf-8")
    whole = {"images": np.ones((2, 4, 3, 3, 3)), "targets": np.ones((2, 3, 3, 3, 3))}
    sized = {**whole, "spacing_mm": np.ones(3)}
    np.savez(tmp_path / "unsized.npz", **whole)
    np.savez(tmp_path / "fewer.npz", **{**sized, "targets": np.ones((1, 3, 3, 3, 3))})
    np.savez(tmp_path / "flat.npz", **{**sized, "spacing_mm": np.array([1.0, 1.0, 0.0])})
    np.savez(tmp_path / "none.npz", **{**sized, "images": np.ones((0, 4, 3, 3, 3))})
    for name in ("missing.npz", "text.npz", "unsized.npz", "fewer.npz", "flat.npz", "none.npz"):
        with pytest.raises(LesionsError, match=name) as caught:
            Lesions.load(tmp_path / name)
        assert caught.value.exit_code == 3
        assert caught.value.hint


def test_crops_get_lesions_when_asked() -> None:
    """A healthy patient has one in nearly every crop when it is certain, and none otherwise."""
    brain = np.full((4, *WINDOW), HEALTHY, dtype=np.float16)
    healthy = TrainingCase("h", brain, np.zeros((3, *WINDOW), dtype=np.uint8))
    settings = TrainSettings(
        window=(24, 24, 32), spacing_mm=1.0, spatial_probability=0.0, drop_probability=0.0,
        intensity_probability=0.0, lesion_probability=1.0,
    )  # fmt: skip
    crops = Crops([healthy], settings, lesions=cubes())
    assert all(float(crops[index][1].sum()) > 0 for index in range(8))
    assert torch.equal(crops[3][0], crops[3][0])
    unasked = Crops([healthy], replace(settings, lesion_probability=0.0), lesions=cubes())
    for plain in (unasked, Crops([healthy], settings)):
        assert float(plain[0][1].sum()) == 0.0
