"""A brain mask is judged by what a brain can be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.quality.brain import (
    border_cm2,
    brain_like_percent,
    check_brain,
    count_pieces,
    cut_off_ml,
    symmetry,
)
from tests.quality.brains import GRID, SHAPE, around, brain, changed, images


def judged(mask: Mask, study: dict[str, Volume] | None = None) -> dict[str, Finding]:
    """Findings by the name of the check; of several subjects, the last."""
    seen = images() if study is None else study
    return {f.check: f for f in check_brain(seen, mask, around(seen, mask))}


def test_a_brain_is_accepted() -> None:
    """A whole brain passes every check."""
    assert {f.verdict for f in judged(brain()).values()} == {Verdict.OK}


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_voxels_of_the_wrong_size_are_refused(factor: float) -> None:
    """No brain is half or twice as long."""
    grid = Grid(SHAPE, np.diag([2.5 * factor, 2.5 * factor, 3.0 * factor, 1.0]))
    study = {name: Volume(image.data, grid) for name, image in images().items()}
    found = judged(Mask(brain().data, grid), study)["brain volume"]
    assert found.verdict is Verdict.REFUSED
    assert found.hint


def test_pieces_are_counted_from_one_ml() -> None:
    """Specks do not count, pieces of a milliliter do."""
    data = np.zeros(SHAPE, dtype=np.bool_)
    data[5:15, 5:15, 5:15] = True
    data[30:40, 5:15, 5:15] = True
    data[50, 50, 50] = True
    assert count_pieces(Mask(data, GRID)) == 2


@pytest.mark.parametrize("angle", [0.0, 12.0, -20.0])
def test_a_tilted_head_is_symmetric(angle: float) -> None:
    """A brain that lies askew is as symmetric as one that lies straight."""
    turned = ndimage.rotate(brain().data.astype(float), angle, axes=(0, 1), reshape=False, order=1)
    assert symmetry(around({}, Mask(turned > 0.5, GRID))) > 0.95


def test_a_brain_without_its_left_front_is_not_symmetric() -> None:
    """What is missing on one side lowers the symmetry below its limit."""
    data = brain().data.copy()
    data[: SHAPE[0] // 2, : SHAPE[1] // 2] = False
    assert judged(Mask(data, GRID))["left-right symmetry"].verdict is not Verdict.OK


def test_the_border_cuts_an_area() -> None:
    """A field of view that ends inside the brain is measured in cm2, on any axis."""
    half = brain().data[:, :, : SHAPE[2] // 2]
    mask = Mask(half, Grid(half.shape, GRID.ras_from_voxel))
    area = np.count_nonzero(half[:, :, -1]) * 2.5 * 2.5 / 100.0
    assert border_cm2(mask) == pytest.approx(area)
    assert border_cm2(brain()) == 0.0


def test_what_an_image_does_not_show_is_refused() -> None:
    """An image that is 0 in half of the brain is named and refused."""
    data = images()["t2"].data.copy()
    data[: SHAPE[0] // 2] = 0
    study = {**images(), "t2": changed(images()["t2"], data)}
    found = check_brain(study, brain(), around(study))
    refused = [f.subject for f in found if f.verdict is Verdict.REFUSED]
    assert refused == ["t2"]


def test_a_lesion_that_the_mask_cuts_is_found() -> None:
    """Signal that is bright in T2 and FLAIR and goes on outside the mask is measured in mL."""
    lesion = np.zeros(SHAPE, dtype=np.bool_)
    lesion[38:50, 26:38, 22:34] = True
    study = {
        name: changed(image, np.where(lesion, 400.0, image.data))
        for name, image in images().items()
    }
    cut = brain().data.copy()
    cut[48:] = False
    assert cut_off_ml(around(study, Mask(cut, GRID))) > 1.0
    assert cut_off_ml(around(images(), Mask(cut, GRID))) == 0.0
    whole = brain().data | lesion
    assert cut_off_ml(around(study, Mask(whole, GRID))) == 0.0


@pytest.mark.parametrize(("deeper_mm", "verdict"), [(0.0, Verdict.OK), (8.0, Verdict.REFUSED)])
def test_a_mask_that_is_too_small_is_refused(deeper_mm: float, verdict: Verdict) -> None:
    """Where brain goes on around the mask, the mask is not the brain."""
    away = ndimage.distance_transform_edt(brain().data, sampling=GRID.spacing_mm)
    found = judged(Mask(np.asarray(away > deeper_mm), GRID))["brain around the mask"]
    assert found.verdict is verdict


def test_nothing_looks_like_brain_where_nothing_is() -> None:
    """Around a stripped brain all is 0, and a mask without any depth is not judged."""
    assert brain_like_percent(around(images()), ["t1"]) == 0.0
    thin = np.zeros(SHAPE, dtype=np.bool_)
    thin[:, :, 20] = True
    assert brain_like_percent(around(images(), Mask(thin, GRID)), ["t1"]) == 0.0


def test_an_empty_mask_is_an_error() -> None:
    """Nothing can be judged where there is no brain."""
    with pytest.raises(ValueError, match="empty"):
        judged(Mask(np.zeros(SHAPE, dtype=np.bool_), GRID))
