"""Tumors that look like other tumors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.errors import AppearancesError
from latup_cli.training.appearance import Appearances, painted
from latup_cli.training.cases import TrainingCase
from latup_cli.training.crops import Crops
from latup_cli.training.mix import Sample
from latup_cli.training.settings import TrainSettings

SHAPE = (16, 18, 20)
SEEDS = st.integers(0, 2**32 - 1)


def crop() -> Sample:
    """Noise, with edema around a core of necrosis and enhancement; a part without brain."""
    noise = np.random.default_rng(5).normal(size=(4, *SHAPE)).astype(np.float32)
    image = torch.from_numpy(noise)
    image[:, :3] = 0.0
    target = torch.zeros((3, *SHAPE))
    target[0, 4:14, 4:14, 4:14] = 1.0
    target[1, 6:12, 6:12, 6:12] = 1.0
    target[2, 8:12, 6:12, 6:12] = 1.0
    return image, target


def table(*tumors: float) -> Appearances:
    """Tumors of one brightness each, tissue by tissue one brighter; hardly any texture."""
    mean = np.array([[[v + t] * 4 for t in range(3)] for v in tumors], dtype=np.float32)
    return Appearances(mean, np.full_like(mean, 0.5))


@given(SEEDS)
def test_only_the_tumor_changes(seed: int) -> None:
    """Healthy tissue and background stay as they are; tissues move towards the drawn ones."""
    image, target = crop()
    seen = painted(image, target, table(5.0), np.random.default_rng(seed))
    healthy = target[0] == 0
    assert torch.equal(seen[:, healthy], image[:, healthy])
    edema, necrosis = target[0] - target[1] > 0, target[1] - target[2] > 0
    enhancing = target[2] > 0
    for tissue, wanted in ((edema, 5.0), (necrosis, 6.0), (enhancing, 7.0)):
        before, after = image[:, tissue].mean().item(), seen[:, tissue].mean().item()
        assert 0.29 < (after - before) / (wanted - before) < 1.01


@given(SEEDS)
def test_a_tissue_that_the_other_tumor_lacks_stays(seed: int) -> None:
    """Not-a-number changes nothing, and never reaches the image."""
    image, target = crop()
    appearances = table(5.0)
    appearances.mean[0, 2] = np.nan
    seen = painted(image, target, appearances, np.random.default_rng(seed))
    assert torch.equal(seen[:, target[2] > 0], image[:, target[2] > 0])
    assert seen.isfinite().all()
    assert not torch.equal(seen, image)


def test_what_is_measured_is_what_is_there() -> None:
    """Means and deviations by tissue and modality; too few voxels of a tissue are none."""
    image, target = crop()
    target[2] = 0.0
    shares = (255 * target).to(torch.uint8).numpy()
    case = TrainingCase("one", image.numpy().astype(np.float16), shares)
    found = Appearances.of_cases([case])
    edema = (target[0] - target[1] > 0).numpy()
    np.testing.assert_allclose(found.mean[0, 0], image.numpy()[:, edema].mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(found.spread[0, 0], image.numpy()[:, edema].std(axis=1), atol=1e-3)
    assert np.isnan(found.mean[0, 2]).all()


def test_tables_come_back_from_their_file(tmp_path: Path) -> None:
    """What is saved is read, and joined tables hold the tumors of both."""
    table(1.0, 2.0).save(tmp_path / "a.npz")
    found = Appearances.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.mean, table(1.0, 2.0).mean)
    assert found.joined(table(3.0)).mean[:, 0, 0].tolist() == [1.0, 2.0, 3.0]


def test_another_file_is_refused(tmp_path: Path) -> None:
    """No file, no table, or one of another shape is an error with a hint."""
    (tmp_path / "text.npz").write_text("no table", encoding="utf-8")
    np.savez(tmp_path / "other.npz", mean=np.zeros((2, 3)), spread=np.zeros((2, 3)))
    for name in ("missing.npz", "text.npz", "other.npz"):
        with pytest.raises(AppearancesError, match=name) as caught:
            Appearances.load(tmp_path / name)
        assert caught.value.exit_code == 3
        assert caught.value.hint


def test_crops_are_painted_when_asked() -> None:
    """With probability one every tumor is; without a table none is."""
    image, target = crop()
    case = TrainingCase(
        "one", image.numpy().astype(np.float16), (255 * target).to(torch.uint8).numpy()
    )
    settings = TrainSettings(
        window=(16, 16, 16), flips=(0, 0, 0), spatial_probability=0.0, intensity_probability=0.0,
        drop_probability=0.0, paint_probability=1.0,
    )  # fmt: skip
    bright, _ = Crops([case], settings, table(50.0))[0]
    plain, _ = Crops([case], settings)[0]
    assert bright.max() > 10.0
    assert plain.max() < 10.0
