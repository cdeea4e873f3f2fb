"""N4 takes a slow shade away and leaves tissue alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.model import N4_ZSCORE, ZSCORE
from latup_cli.domain.study import AlignedStudy
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError
from latup_cli.preprocess.bias import N4Settings, bias_field, correct_bias, without_bias
from latup_cli.preprocess.prepare import prepare
from latup_cli.training.export import model_spec
from latup_cli.training.settings import TrainSettings
from tests.preprocess.heads import head, scan_grid

QUICK = N4Settings(block_mm=8.0, iterations=(20, 20))
GRID = scan_grid((4.0, 4.0, 6.0), np.eye(3))


def shaded() -> tuple[Volume, Volume, Mask]:
    """A ball of two tissues, the same under a coil on one side, and its mask."""
    i, j, k = np.indices(GRID.shape)
    tissue = np.where((i // 4 + j // 4 + k // 3) % 2 == 0, 600.0, 800.0)
    plain = Volume(np.where(head(GRID).data > 50.0, tissue, 0.0).astype(np.float32), GRID)
    across = np.linspace(-1.0, 1.0, GRID.shape[0])[:, None, None]
    field = np.exp(0.6 * across).astype(np.float32)
    return plain, Volume(plain.data * field, GRID), Mask(plain.data > 50.0, GRID)


def spread(volume: Volume, plain: Volume, brain: Mask) -> float:
    """Standard deviation of the logarithm of what is left of the shade."""
    ratio = volume.data[brain.data] / plain.data[brain.data]
    return float(np.log(ratio).std())


def test_a_shade_is_taken_away() -> None:
    """Most of a smooth field is gone, and the step says with which settings."""
    plain, dark, brain = shaded()
    corrected, step = correct_bias(dark, brain, modality="t1ce", settings=QUICK)
    assert spread(corrected, plain, brain) < 0.4 * spread(dark, plain, brain)
    assert step.name == "n4"
    assert step.settings["block_mm"] == 8.0
    assert step.settings["modality"] == "t1ce"


def test_the_brightness_of_the_brain_stays() -> None:
    """The field has geometric mean 1 in the brain: the image as a whole gets no brighter."""
    _, dark, brain = shaded()
    corrected, _ = correct_bias(dark, brain, modality="t1", settings=QUICK)
    ratio = corrected.data[brain.data] / dark.data[brain.data]
    assert float(np.log(ratio).mean()) == pytest.approx(0.0, abs=1e-4)
    assert not corrected.data[dark.data == 0.0].any()


def test_two_runs_give_the_same_bits() -> None:
    """Nothing in the correction is left to chance or to the order of threads."""
    _, dark, brain = shaded()
    first, second = (correct_bias(dark, brain, modality="t1", settings=QUICK)[0] for _ in range(2))
    np.testing.assert_array_equal(first.data, second.data)


def test_a_mask_of_another_grid_or_an_empty_one_is_refused() -> None:
    """A field is never estimated where the mask does not belong."""
    _, dark, brain = shaded()
    elsewhere = Grid(GRID.shape, np.diag([3.0, 3.0, 4.0, 1.0]))
    with pytest.raises(GeometryError, match="different grids"):
        correct_bias(dark, Mask(brain.data, elsewhere), modality="t1", settings=QUICK)
    with pytest.raises(GeometryError, match="no signal"):
        correct_bias(dark, Mask(np.zeros_like(brain.data), GRID), modality="t1", settings=QUICK)


def test_several_images_are_corrected_as_each_alone() -> None:
    """Side by side gives the bits of one after the other."""
    plain, dark, brain = shaded()
    both = without_bias((plain.data, dark.data), brain.data, GRID.spacing_mm)
    for image, corrected in zip((plain, dark), both, strict=True):
        field = bias_field(image.data, brain.data, GRID.spacing_mm)
        np.testing.assert_array_equal(corrected.image, image.data / field)
        inside = np.percentile(field[brain.data], (1, 99))
        assert corrected.field_range == pytest.approx(tuple(inside))


def test_few_voxels_tell_the_range_of_a_large_field() -> None:
    """What is reported is within a percent of the percentiles over all of the brain."""
    _, dark, brain = shaded()
    large, inside = (
        np.kron(data, np.ones((2, 2, 2), data.dtype)) for data in (dark.data, brain.data)
    )
    spacing_mm = (2.0, 2.0, 3.0)
    [corrected] = without_bias([large], inside, spacing_mm)
    exact = np.percentile(bias_field(large, inside, spacing_mm)[inside], (1, 99))
    assert corrected.field_range == pytest.approx(tuple(exact), rel=0.01)
    assert exact[1] / exact[0] > 1.5


@pytest.mark.parametrize("kind", ["normalized", "constant", "black", "thin"])
def test_an_image_without_a_field_to_see_stays(kind: str) -> None:
    """Negative, flat, empty and very thin images are left alone."""
    _, dark, brain = shaded()
    inside = brain.data
    image = {
        "normalized": dark.data - dark.data[inside].mean(),
        "constant": inside.astype(np.float32),
        "black": np.zeros_like(dark.data),
        "thin": dark.data[:, :, 10:13],
    }[kind]
    seen = inside[:, :, 10:13] if kind == "thin" else inside
    field = bias_field(image, seen, GRID.spacing_mm)
    np.testing.assert_array_equal(field, 1.0)


def assert_says_how(record: Mapping[str, object], method: str, channels: Sequence[str]) -> None:
    """The settings and every field's range are told exactly where a field was removed."""
    n4 = record.get("n4")
    if method == ZSCORE:
        assert n4 is None
        return
    assert isinstance(n4, dict)
    assert n4["block_mm"] == N4Settings().block_mm
    assert list(n4["field_range"]) == list(channels)


def test_a_model_that_asks_for_it_sees_no_shade() -> None:
    """What the network gets hardly depends on a coil, and the record names the method."""
    plain, dark, brain = shaded()
    seen = {}
    for method in (ZSCORE, N4_ZSCORE):
        spec = replace(model_spec(TrainSettings(spacing_mm=4.0)), normalization=method)
        for name, image in (("plain", plain), ("dark", dark)):
            study = AlignedStudy(dict.fromkeys(spec.channels, image), brain)
            prepared = prepare(study, spec)
            (record,) = (s.settings for s in prepared.steps if s.name == "normalize")
            assert record["method"] == method
            assert_says_how(record, method, spec.channels)
            seen[method, name] = prepared.image
    differences = {
        method: float(np.abs(seen[method, "plain"] - seen[method, "dark"]).mean())
        for method in (ZSCORE, N4_ZSCORE)
    }
    assert differences[N4_ZSCORE] < 0.6 * differences[ZSCORE]
