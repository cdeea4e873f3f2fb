"""Tumors that never were lie where they should and look as they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.errors import ShapesError
from latup_cli.training.appearance import Appearances
from latup_cli.training.cases import TrainingCase
from latup_cli.training.crops import Crops
from latup_cli.training.settings import TrainSettings
from latup_cli.training.simulate import Shapes, TumorShape, grown, place_in, regions_in
from latup_cli.training.turn import Turn

BRAIN = (20, 24, 16)
SEEDS = st.integers(0, 2**32 - 1)
UNTURNED = Turn(np.eye(3), np.zeros(3))


def layers() -> np.ndarray:
    """A tumor in the left front of a brain: edema around necrosis, and enhancement in it."""
    made = np.zeros(BRAIN, dtype=np.uint8)
    made[2:10, 12:20, 4:12] = 1
    made[3:9, 13:19, 5:11] = 2
    made[6:9, 13:19, 5:11] = 3
    return made


def table(*tumors: float) -> Appearances:
    """Tumors of one brightness each, tissue by tissue ten brighter."""
    mean = np.array([[[v + 10 * t] * 4 for t in range(3)] for v in tumors], dtype=np.float32)
    return Appearances(mean, np.full_like(mean, 0.5))


def brain(size: tuple[int, int, int] = BRAIN) -> torch.Tensor:
    """Noise, and a slab without brain."""
    noise = np.random.default_rng(3).normal(size=(4, *size)).astype(np.float32)
    noise[:, :, :, :6] = 0.0
    return torch.from_numpy(noise)


def test_a_shape_comes_back_where_it_was() -> None:
    """In its own brain, unturned, the regions are the layers to the voxel."""
    tumor = TumorShape.of(layers())
    assert tumor.layers.shape == (8, 8, 8)
    center = tuple(n // 2 for n in BRAIN)
    found = regions_in(tumor, BRAIN, center, UNTURNED, BRAIN)
    for depth, region in enumerate(found):
        np.testing.assert_allclose(region.numpy(), layers() > depth, atol=1e-4)


def test_a_shape_grows_with_the_brain() -> None:
    """In a brain twice as long it is twice as long, at the same share of the way."""
    tumor, longer = TumorShape.of(layers()), (20, 48, 16)
    found = regions_in(tumor, longer, (10, 24, 8), UNTURNED, longer)[0] > 0.5
    along = np.flatnonzero(found.any(dim=2).any(dim=0).numpy())
    assert (along[0], along[-1]) == (24, 39)
    assert int(found.sum()) == 2 * 8**3


def test_a_mirrored_shape_is_in_the_other_hemisphere() -> None:
    """Mirrored twice it is the same; once, it is the mirror image of the whole brain."""
    tumor = TumorShape.of(layers())
    center = tuple(n // 2 for n in BRAIN)
    found = regions_in(tumor.mirrored(), BRAIN, center, UNTURNED, BRAIN)
    np.testing.assert_allclose(found[2].numpy(), layers()[::-1] > 2, atol=1e-4)
    again = tumor.mirrored().mirrored()
    np.testing.assert_array_equal(again.layers, tumor.layers)
    assert again.start == tumor.start


@given(SEEDS)
def test_a_place_is_in_the_tumor(seed: int) -> None:
    """Whatever is drawn is tumor, also in a brain of another size."""
    tumor = TumorShape.of(layers())
    i, j, k = place_in(tumor, BRAIN, np.random.default_rng(seed))
    assert layers()[i, j, k] > 0
    i, j, k = place_in(tumor, (40, 48, 32), np.random.default_rng(seed))
    assert layers()[i // 2, j // 2, k // 2] > 0


@given(SEEDS)
def test_tissues_get_the_contrasts_that_were_drawn(seed: int) -> None:
    """Means are near the table's, the rest of the brain and the background do not change."""
    regions = torch.stack([torch.from_numpy(layers() > depth) for depth in range(3)]).float()
    image = brain()
    seen, target = grown(
        (image, torch.zeros_like(regions)),
        regions,
        table(5.0),
        np.random.default_rng(seed),
        enhances=True,
    )
    inside = (image != 0).any(dim=0)
    for number, wanted in enumerate((5.0, 15.0, 25.0)):
        tissue = torch.from_numpy(layers() == number + 1) & inside
        assert abs(seen[:, tissue].mean().item() - wanted) < 1.0
    healthy = torch.from_numpy(layers() == 0) & inside
    assert torch.equal(seen[:, healthy], image[:, healthy])
    assert (seen[:, ~inside] == 0).all()
    assert torch.equal(target, regions * inside)


def test_the_old_tumor_stays_beside_the_new_one() -> None:
    """Targets stay nested shares; where both are, the new tumor counts."""
    regions = torch.stack([torch.from_numpy(layers() > depth) for depth in range(3)]).float()
    old = torch.zeros_like(regions)
    old[:, 8:14, 12:20, 8:12] = 1.0
    _, target = grown((brain(), old), regions, table(5.0), np.random.default_rng(0), enhances=True)
    assert target[2, 12, 14, 9] == 1.0
    assert target[:, 9, 19, 11].tolist() == [1.0, 0.0, 0.0]
    assert (target[0] >= target[1]).all()
    assert (target[1] >= target[2]).all()


def test_no_tumor_with_every_tissue_leaves_the_host_alone() -> None:
    """A tissue is never labeled without its look."""
    regions = torch.stack([torch.from_numpy(layers() > depth) for depth in range(3)]).float()
    lacking = table(5.0)
    lacking.mean[:, 2] = np.nan
    host = (brain(), torch.zeros_like(regions))
    seen, target = grown(host, regions, lacking, np.random.default_rng(0), enhances=True)
    assert seen is host[0]
    assert target is host[1]


@given(SEEDS)
def test_a_core_without_enhancement_looks_like_its_like(seed: int) -> None:
    """Contrasts come from a tumor that has no enhancement either, and the other way round."""
    plain = np.minimum(layers(), 2)
    both = table(5.0, 100.0)
    both.mean[1, 2] = np.nan
    for drawn, core in ((plain, 110.0), (layers(), 15.0)):
        regions = torch.stack([torch.from_numpy(drawn > depth) for depth in range(3)]).float()
        host = (brain(), torch.zeros_like(regions))
        enhances = TumorShape.of(drawn).enhances
        seen, _ = grown(host, regions, both, np.random.default_rng(seed), enhances=enhances)
        inside = torch.from_numpy(drawn == 2) & (host[0] != 0).any(dim=0)
        assert abs(seen[:, inside].mean().item() - core) < 1.0


def test_shapes_without_enhancement_are_drawn_as_often_as_asked() -> None:
    """Always, sometimes, or as often as they come; and any where there is no such shape."""
    plain = np.minimum(layers(), 2)
    shapes = Shapes.of([layers()] * 9 + [plain])

    def share(among: Shapes, asked: float) -> float:
        random = np.random.default_rng(0)
        return float(np.mean([not among.draw(random, asked).enhances for _ in range(400)]))

    assert share(shapes, 1.0) == 1.0
    assert share(shapes, 0.5) == pytest.approx(0.55, abs=0.06)
    assert share(shapes, 0.0) == pytest.approx(0.1, abs=0.05)
    assert share(Shapes.of([layers()]), 1.0) == 0.0


def test_shapes_come_back_from_their_file(tmp_path: Path) -> None:
    """Also of different sizes; a brain without a tumor has no shape."""
    small = np.zeros(BRAIN, dtype=np.uint8)
    small[1:3, 4, 5] = 1
    made = Shapes.of([layers(), np.zeros(BRAIN, dtype=np.uint8), small])
    made.save(tmp_path / "s.npz")
    found = Shapes.load(tmp_path / "s.npz")
    assert len(found.tumors) == 2
    for one, other in zip(found.tumors, made.tumors, strict=True):
        np.testing.assert_array_equal(one.layers, other.layers)
        assert (one.start, one.brain) == (other.start, other.brain)


def test_another_file_is_refused(tmp_path: Path) -> None:
    """No file, no shapes, or damaged ones are an error with a hint."""
    (tmp_path / "text.npz").write_text("no shapes", encoding="utf-8")
    np.savez(tmp_path / "other.npz", mean=np.zeros((2, 3)))
    one = {"size": [[2, 2, 2]], "start": [[0, 0, 0]], "brain": [BRAIN]}
    np.savez(tmp_path / "short.npz", layers=np.ones(5, dtype=np.uint8), **one)
    np.savez(tmp_path / "empty.npz", layers=np.zeros(8, dtype=np.uint8), **one)
    for name in ("missing.npz", "text.npz", "other.npz", "short.npz", "empty.npz"):
        with pytest.raises(ShapesError, match=name) as caught:
            Shapes.load(tmp_path / name)
        assert caught.value.exit_code == 3
        assert caught.value.hint


def crops_of_a_healthy_patient(**settings: float | tuple[float, float]) -> Crops:
    """Crops with a tumor of one shape, nothing else changed."""
    target = np.zeros((3, *BRAIN), dtype=np.uint8)
    healthy = TrainingCase("h", brain().numpy().astype(np.float16), target)
    plain = TrainSettings(
        window=(16, 16, 16), spatial_probability=0.0, drop_probability=0.0,
        intensity_probability=0.0, simulate_probability=1.0,
    )  # fmt: skip
    return Crops([healthy], replace(plain, **settings), table(5.0), Shapes.of([layers()]))


def test_crops_hold_a_tumor_of_the_shapes_when_asked() -> None:
    """A healthy patient gets one in every crop when it is certain, and none when it never is."""
    crops = crops_of_a_healthy_patient()
    for index in range(8):
        image, found = crops[index]
        assert found[0].sum() > 50
        assert image[:, found[1] > 0.99].mean() > 10
    never = crops_of_a_healthy_patient(simulate_probability=0.0)
    assert float(never[0][1].sum()) == 0.0


@pytest.mark.parametrize("slices", [0.0, 1.0])
def test_a_drawn_tumor_is_scanned_in_the_slices_of_its_brain(slices: float) -> None:
    """Thick ones smear it over what is around it, and nothing else does."""
    crops = crops_of_a_healthy_patient(slice_probability=slices, slice_mm=(5.0, 6.0))
    outside = [image[:, found[0] == 0.0].max() for image, found in (crops[i] for i in range(8))]
    assert (max(outside) > 6.0) == bool(slices)
