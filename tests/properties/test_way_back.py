"""Laws of the way through preprocessing and back: nothing moves in the scanner."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.study import FoundFile, PreparedStudy, SpatialCodes, Study, StudyFiles
from latup_cli.domain.volume import LabelMap, Volume
from latup_cli.inference.decode import decode
from latup_cli.labels import MODALITIES, REGIONS, SCHEMES
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.preprocess.reference import region_shares
from latup_cli.preprocess.restore import to_native, to_native_block
from tests.properties.strategies import AXIS_ORDERS, make_grid, stored_as, tilt, world

SHAPE = (26, 31, 22)
CENTER = (13.0, 15.0, 10.0)
TISSUES = SCHEMES["brats2023"]  # the numbers of `Tissue`


def head() -> Grid:
    """1 mm voxels in a head that is turned by a few degrees, in the order RAS."""
    return make_grid(SHAPE, (1.0, 1.0, 1.0), tilt(7.0), (-30.0, 12.0, 5.0))


def ball(
    center: tuple[float, float, float], radii: tuple[float, float, float]
) -> npt.NDArray[np.bool_]:
    """An ellipsoid in voxels of `head`."""
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    return np.asarray((((index - center) / radii) ** 2).sum(axis=-1) <= 1.0)


def expert() -> Volume:
    """A tumor off the middle along every axis, so that no mirror image fits it."""
    labels = np.zeros(SHAPE, dtype=np.float32)
    labels[ball((16, 17, 9), (6.5, 8.0, 5.5))] = 2
    labels[ball((17, 18, 9), (4.5, 5.0, 4.0))] = 3
    labels[ball((18, 18, 9), (2.5, 3.0, 2.0))] = 1
    return Volume(labels, head())


def images() -> dict[str, Volume]:
    """Four skull-stripped images, each different, none symmetric."""
    brain = ball(CENTER, (11.0, 13.5, 9.0))
    rng = np.random.default_rng(5)
    return {
        name: Volume(np.where(brain, 50 + rng.random(SHAPE), 0).astype(np.float32), head())
        for name in MODALITIES
    }


def spec(spacing_mm: float) -> ModelSpec:
    """A model that wants RAS at one isotropic spacing."""
    return ModelSpec(
        name="law",
        version="1",
        weights="model.onnx",
        sha256="",
        opset=18,
        parameters=0,
        channels=MODALITIES,
        axis_order="RAS",
        spacing_mm=(spacing_mm,) * 3,
        normalization="zscore-brain",
        window=(16, 16, 16),
        stride=8,
        classes=("background", "NCR", "ED", "ET"),
        activation="softmax",
        trained_on="",
    )


def prepared(codes: str, spacing_mm: float) -> tuple[PreparedStudy, LabelMap]:
    """The study and its expert labels, as a file in axis order `codes` would bring them."""
    files = StudyFiles("law", {m: FoundFile(Path(f"{m}.nii"), "given") for m in MODALITIES})
    stored = {name: stored_as(image, codes) for name, image in images().items()}
    labels = stored_as(expert(), codes)
    study = Study(files, stored, SpatialCodes(1, 1))
    assert axis_codes(study.grid) == codes
    label_map = LabelMap(labels.data.astype(np.uint8), labels.grid, TISSUES)
    return prepare(as_aligned(study), spec(spacing_mm)), label_map


def there_and_back(codes: str, spacing_mm: float) -> LabelMap:
    """Expert labels to shares on the model's grid, and back as if the network had said them."""
    study, labels = prepared(codes, spacing_mm)
    regions = to_native_block(region_shares(labels, study), study)
    block = decode(regions, study.brain.data)
    return LabelMap(to_native(block, study), labels.grid, TISSUES)


def places(labels: LabelMap, region: str) -> set[tuple[float, ...]]:
    """Where the voxels of a region lie, RAS+ in mm to a hundredth."""
    points = world(labels.grid, np.argwhere(labels.region(region).data))
    return set(map(tuple, (np.round(points, 2) + 0.0).tolist()))


@cache
def expert_places(region: str) -> set[tuple[float, ...]]:
    """Where the expert saw a region."""
    truth = expert()
    return places(LabelMap(truth.data.astype(np.uint8), truth.grid, TISSUES), region)


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_at_native_spacing_the_expert_mask_comes_back_exactly(codes: str) -> None:
    """Whatever the axis order of the files, each region comes back voxel by voxel in mm."""
    back = there_and_back(codes, 1.0)
    for region in REGIONS:
        assert places(back, region) == expert_places(region)


@cache
def coarse_places(region: str) -> set[tuple[float, ...]]:
    """Where a region lies after a model at 2 mm, for files in the order RAS."""
    return places(there_and_back("RAS", 2.0), region)


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_at_2_mm_the_mask_does_not_depend_on_the_axis_order(codes: str) -> None:
    """A coarser model gives the same mask in mm for every axis order of the files."""
    back = there_and_back(codes, 2.0)
    for region in REGIONS:
        assert places(back, region) == coarse_places(region)


@pytest.mark.parametrize(("region", "least"), [("WT", 0.95), ("TC", 0.93), ("ET", 0.8)])
def test_at_2_mm_the_expert_mask_nearly_comes_back(region: str, least: float) -> None:
    """What a 2 mm grid loses of small ellipsoids is a rim; a shift by a voxel would lose more."""
    back, truth = coarse_places(region), expert_places(region)
    dice = 2 * len(back & truth) / (len(back) + len(truth))
    assert dice >= least


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_the_network_sees_the_same_image_for_every_axis_order(spacing_mm: float) -> None:
    """The prepared image and its grid do not depend on how the files were stored."""
    reference, _ = prepared("RAS", spacing_mm)
    for codes in ("LPS", "SAR", "PIR", "IRP"):
        study, _ = prepared(codes, spacing_mm)
        assert study.grid.matches(reference.grid, tolerance_mm=1e-6)
        np.testing.assert_allclose(study.image, reference.image, atol=1e-5)
