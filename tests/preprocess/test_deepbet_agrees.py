"""Our steps around the networks give the masks of deepbet itself, where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from latup_cli.config import sample_root
from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Mask, Volume
from latup_cli.imaging.nifti import read
from latup_cli.inference import openvino_engine
from latup_cli.inference.brain_models import load
from latup_cli.preprocess.skull_strip import strip
from tests.fixtures.phantoms import save

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch, of TorchScript
bet = pytest.importorskip("deepbet.bet", reason="deepbet is not installed")

SQUEEZED = np.diag([1.3, 1.0, 0.8, 1.0])


@pytest.fixture(scope="module")
def remove_skull() -> Callable[[Volume], Mask]:
    """Both shipped networks in OpenVINO."""
    models = load()
    box, brain = (openvino_engine.open_on_cpu(graph) for graph in (models.box, models.brain))
    return lambda image: strip(image, box, brain)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The program itself, on the CPU."""
    return bet.BrainExtraction(no_gpu=True)


@pytest.mark.parametrize("modality", ["t1", "t1ce"])
@pytest.mark.parametrize("spoil", [np.eye(4), SQUEEZED], ids=["as it is", "other voxels"])
def test_masks_are_those_of_deepbet(
    modality: str,
    spoil: Any,
    remove_skull: Callable[[Volume], Mask],
    theirs: Any,
    tmp_path: Path,
) -> None:
    """Dice is at least 0.995 on the sample's brain, in its own voxels and in stretched ones."""
    path = next(sample_root().rglob(f"*_{modality}.nii.gz"))
    image = read(path).volume
    image = Volume(image.data, Grid(image.grid.shape, image.grid.ras_from_voxel @ spoil))
    file = save(tmp_path / "head.nii.gz", image.data, image.grid.ras_from_voxel)
    ours = remove_skull(image).data
    _, mask, _ = theirs.run(nib.load(file))
    other = np.asarray(mask.dataobj) > 0
    assert 2 * (ours & other).sum() / (ours.sum() + other.sum()) >= 0.995
