"""A small study with a known tumor, as files on the disk and as values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from latup_cli.domain.grid import Box, Grid
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.orientation import reorientation
from latup_cli.domain.report import Report
from latup_cli.domain.segmentation import RunsOn, Segmentation, Segmentations
from latup_cli.domain.study import (
    FoundFile,
    Placement,
    PreparedStudy,
    SpatialCodes,
    Step,
    Study,
    StudyFiles,
)
from latup_cli.domain.volume import LabelMap, Mask, Volume
from latup_cli.labels import MODALITIES, SCHEMES
from latup_cli.reporting.build import RunFacts, build_report

SHAPE = (20, 24, 16)
SPACING_MM = (1.0, 1.5, 2.0)


Parts: TypeAlias = tuple[Study, PreparedStudy, Segmentations, ModelSpec, RunFacts]
"""What `build_report` takes, in its order."""


@pytest.fixture(scope="session")
def grid() -> Grid:
    """Stored LPS, no two axes alike."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = (10.0, 18.0, -16.0)
    return Grid(SHAPE, affine)


@pytest.fixture(scope="session")
def labels(grid: Grid) -> LabelMap:
    """60 voxels of edema around 3 of enhancing tumor and 1 of necrosis: 64 in all."""
    data = np.zeros(SHAPE, dtype=np.uint8)
    data[4:8, 5:9, 6:10] = 2
    data[5, 6:9, 6] = 4
    data[6, 6, 6] = 1
    return LabelMap(data, grid, SCHEMES["brats2021"])


@pytest.fixture(scope="session")
def brain(grid: Grid) -> Mask:
    """16 x 20 x 12 voxels in the middle."""
    data = np.zeros(SHAPE, dtype=bool)
    data[2:18, 2:22, 2:14] = True
    return Mask(data, grid)


@pytest.fixture(scope="session")
def images(grid: Grid, brain: Mask) -> dict[str, Volume]:
    """Noise in the brain, zero outside."""
    random = np.random.default_rng(0)
    return {
        modality: Volume(
            np.where(brain.data, random.uniform(10, 900, SHAPE), 0).astype(np.float32), grid
        )
        for modality in MODALITIES
    }


@pytest.fixture
def parts(
    tmp_path: Path, grid: Grid, labels: LabelMap, brain: Mask, images: dict[str, Volume]
) -> Parts:
    """A study in a folder, segmented."""
    folder = tmp_path / "patient one"
    folder.mkdir()
    found = {}
    for modality in MODALITIES:
        path = folder / f"{modality}.nii.gz"
        path.write_bytes(modality.encode("ascii"))
        found[modality] = FoundFile(path, f"name contains '{modality}'")
    study = Study(
        StudyFiles("patient one", found),
        images,
        SpatialCodes(1, 1),
        warnings=(f"{folder / 't1.nii.gz'} has no time stamp.",),
    )
    placement = Placement(grid, reorientation(grid, "RAS"), Box((0, 0, 0), SHAPE))
    prepared = PreparedStudy(
        image=np.zeros((4, *SHAPE), dtype=np.float32),
        grid=placement.block,
        brain=Mask(np.ones(SHAPE, dtype=bool), placement.block),
        placement=placement,
        steps=(
            Step("turn", {"from": "LPS", "to": "RAS"}),
            Step("resample", {"spacing_mm": (1.0, 1.0, np.float64(1.0))}, 0.1236),
        ),
    )
    runs_on = RunsOn(
        "auto",
        "cpu",
        "openvino 2026.4.1",
        "CPU",
        "float32",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1 was not found",
    )
    found = Segmentation(labels, brain)
    return (
        study,
        prepared,
        Segmentations(found, found, runs_on, windows=8),
        _spec(),
        RunFacts(
            folder=folder,
            created=datetime(2026, 11, 23, 16, 30, 5, tzinfo=timezone(timedelta(hours=1))),
            stage_seconds={"read": 0.5, "prepare": 1.25, "predict": 3.0006},
            warnings=("T2 is coarse.", "T2 is coarse."),
        ),
    )


@pytest.fixture
def report(parts: Parts) -> Report:
    """The report of that study."""
    return build_report(*parts)


def _spec() -> ModelSpec:
    return ModelSpec(
        name="latup-test",
        version="1.2.0",
        weights="model.onnx",
        sha256="ab" * 32,
        opset=17,
        parameters=3,
        channels=MODALITIES,
        axis_order="RAS",
        spacing_mm=(1.0, 1.0, 1.0),
        normalization="zscore-brain",
        window=(16, 16, 16),
        stride=8,
        classes=("background", "NCR", "ED", "ET"),
        activation="softmax",
        trained_on="nothing",
    )
