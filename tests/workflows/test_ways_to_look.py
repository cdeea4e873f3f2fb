"""Mirrored views, small windows, and tumors too small to be believed, from files to files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from latup_cli.config import SegmentSettings
from latup_cli.domain.grid import Grid
from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import LabelMap, Volume
from latup_cli.inference.models import load_model
from latup_cli.inference.windows import Array
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.labels import SCHEMES, Tissue
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.workflows import segment as workflow
from latup_cli.workflows.batch import run_batch
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.native import on_native_grid
from latup_cli.workflows.predict import Prediction, plan_prepared, predict_prepared
from latup_cli.workflows.results import Segmented
from latup_cli.workflows.segment import segment_study
from tests.fixtures.cohorts import batch_on_cpu, masks
from tests.fixtures.models import edited, on_cpu
from tests.fixtures.phantoms import phantom, voxels, write_study

USUAL = {"shape": [32, 40, 32], "overlap": 0.5, "dice": {"WT": 0.9}}
SMALL = {"shape": [16, 24, 16], "overlap": 0.5, "dice": {"WT": 0.8}}


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    """A copy of the model whose description may be changed."""
    return Path(shutil.copytree(model, tmp_path / "own"))


def asked(study: Path, own: Path) -> tuple[Prediction, PreparedStudy]:
    """What a model says of a study, and what it was shown."""
    model = load_model(own)
    prepared = prepare(as_aligned(load_study(find_study(study))), model.spec)
    opened = open_engine(model.graph, on_cpu(own).inference)
    return predict_prepared(prepared, model.spec, opened.predict), prepared


def moved_nowhere(study: Path, own: Path) -> npt.NDArray[np.uint8]:
    """Labels by the way to another grid, if that is the study's own."""
    found, prepared = asked(study, own)
    native = prepared.placement.native
    return on_native_grid(
        found, prepared, native, SCHEMES["brats2021"], probabilities=False
    ).labels.data


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of everything that the network is run on, in order."""
    shapes: list[tuple[int, ...]] = []

    def watched(*words: Any) -> Opened:
        opened = open_engine(*words)
        network = opened.network

        def run(window: Array) -> Array:
            shapes.append(window.shape[2:])
            return network(window)

        return replace(opened, network=run)

    monkeypatch.setattr(workflow, "open_engine", watched)
    return shapes


def volumes_ml(done: Segmented) -> dict[str, float]:
    """Region to its volume."""
    return {region.region: region.volume_ml for region in done.report.volumes.regions}


def run(study: Path, settings: SegmentSettings, output: str) -> Segmented:
    """One segmentation beside the study."""
    return segment_study(study, study.parent / output, settings)


# --- mirrored views -----------------------------------------------------------------------


def test_each_window_is_seen_eight_times(
    study: Path, model: Path, seen: list[tuple[int, ...]]
) -> None:
    """With `tta` the network runs 8 times for a window, and the report says so."""
    done = run(study, on_cpu(model, tta=True), "mirrored")
    assert seen == [(32, 40, 32)] * 8 * done.report.windows
    assert done.report.views == 8
    ran = json.loads(done.report_file.read_text(encoding="utf-8"))["runs_on"]
    assert (ran["views"], ran["window"]) == (8, [32, 40, 32])
    seen.clear()
    plain = run(study, on_cpu(model), "plain")
    assert len(seen) == plain.report.windows
    assert plain.report.views == 1


def test_a_fair_model_loses_nothing_by_mirrors(study: Path, model: Path) -> None:
    """A network that decides voxel by voxel finds the same tumor in its mirrored views."""
    plain, other = (run(study, on_cpu(model, tta=tta), f"tta-{tta}") for tta in (False, True))
    assert (voxels(plain.mask) > 0).any()
    np.testing.assert_array_equal(voxels(other.mask), voxels(plain.mask))


def test_the_plan_knows_what_mirrors_cost(study: Path, model: Path) -> None:
    """Before anything runs, the plan has 8 times the voxels."""
    spec = load_model(model).spec
    prepared = prepare(as_aligned(load_study(find_study(study))), spec)
    plain, other = (plan_prepared(prepared, spec.default_window, tta=tta) for tta in (False, True))
    assert other.voxels == 8 * plain.voxels


# --- small windows ------------------------------------------------------------------------


def test_little_memory_takes_the_smallest_window(
    study: Path, own: Path, seen: list[tuple[int, ...]]
) -> None:
    """The network runs on the smallest listed window only, and a warning says what that costs."""
    middle = {"shape": [24, 32, 24], "overlap": 0.5, "dice": {}}
    edited(own, windows=[USUAL, SMALL, middle])
    done = run(study, on_cpu(own, low_memory=True), "small")
    assert set(seen) == {(16, 24, 16)}
    assert len(seen) == done.report.windows > 1
    assert done.report.window == (16, 24, 16)
    (warning,) = (text for text in done.report.warnings if "--low-memory" in text)
    assert "16 x 24 x 16" in warning
    assert "WT 0.800 against WT 0.900 with 32 x 40 x 32" in warning
    usual = run(study, on_cpu(own), "usual")
    assert usual.report.window == (32, 40, 32)
    assert not any("--low-memory" in text for text in usual.report.warnings)


def test_small_windows_and_mirrors_go_together(
    study: Path, own: Path, seen: list[tuple[int, ...]]
) -> None:
    """Both options at once: eight views of each small window."""
    edited(own, windows=[USUAL, SMALL])
    done = run(study, on_cpu(own, low_memory=True, tta=True), "both")
    assert seen == [(16, 24, 16)] * 8 * done.report.windows


def test_a_study_folder_follows_the_same_options(study: Path, own: Path) -> None:
    """A batch with them writes the masks that single runs write, and reports the same."""
    edited(own, windows=[USUAL, SMALL], smallest_ml={"ET": 100.0})
    alone = run(study, on_cpu(own, low_memory=True, tta=True), "alone")
    settings = batch_on_cpu(own)
    settings = replace(settings, segment=replace(settings.segment, low_memory=True, tta=True))
    folder = study.parent / "cohort"
    shutil.copytree(study, folder / study.name)
    assert run_batch(folder, study.parent / "done", settings).exit_code == 0
    (mask,) = masks(study.parent / "done").values()
    assert mask == alone.mask.read_bytes()
    (report,) = (study.parent / "done").glob("*/*_report.json")
    content = json.loads(report.read_text(encoding="utf-8"))
    assert content["warnings"] == list(alone.report.warnings)
    assert content["runs_on"]["views"] == 8


# --- too small to be believed -------------------------------------------------------------


def test_a_small_enhancing_tumor_becomes_necrosis(study: Path, own: Path) -> None:
    """Below the model's smallest volume ET is NCR: WT and TC stay, and the report says why."""
    kept = run(study, on_cpu(own), "kept")
    before = volumes_ml(kept)
    assert before["ET"] > 0.1
    edited(own, smallest_ml={"ET": before["ET"] + 0.001})
    dropped = run(study, on_cpu(own, save_probabilities=True), "dropped")
    after = volumes_ml(dropped)
    assert after["ET"] == 0
    assert after["NCR"] == pytest.approx(before["NCR"] + before["ET"])
    assert [after[r] for r in ("WT", "TC", "ED")] == [before[r] for r in ("WT", "TC", "ED")]
    were, are = voxels(kept.mask), voxels(dropped.mask)
    np.testing.assert_array_equal(are, np.where(were == 4, 1, were))
    (warning,) = (text for text in dropped.report.warnings if "enhancing tumor" in text)
    assert f"{before['ET']:.3f} mL" in warning
    assert warning.endswith("they count as NCR.")
    said = nib.load(dropped.mask.with_name("LATUP-001_probabilities.nii.gz"))
    assert (np.asanyarray(said.dataobj)[..., 2] > 0.5).any()  # the network's own words


def test_a_doubtful_enhancing_tumor_becomes_necrosis(study: Path, own: Path) -> None:
    """ET that promises less than the model's least counts as NCR; the report says how little."""
    kept = run(study, on_cpu(own), "kept")
    sure = {f.subject: f for f in kept.report.quality if f.check == "certainty"}
    assert sure.keys() == {"WT", "TC", "ET"}
    assert not any("promise" in text for text in kept.report.warnings)
    edited(own, least_certainty={"ET": sure["ET"].value - 0.001})
    assert run(study, on_cpu(own), "believed").mask.read_bytes() == kept.mask.read_bytes()
    edited(own, least_certainty={"ET": sure["ET"].value + 0.001})
    dropped = run(study, on_cpu(own), "dropped")
    were, are = voxels(kept.mask), voxels(dropped.mask)
    np.testing.assert_array_equal(are, np.where(were == 4, 1, were))
    still = {f.subject: f for f in dropped.report.quality if f.check == "certainty"}
    assert still["ET"].value == sure["ET"].value
    assert still["TC"].value == sure["TC"].value
    assert any("too little sure" in text for text in dropped.report.warnings)
    assert any("promise" in text and "ET" in text for text in dropped.report.warnings)


def test_an_enhancing_tumor_of_the_smallest_volume_stays(study: Path, own: Path) -> None:
    """At the limit, ET is ET, and nothing is said."""
    kept = run(study, on_cpu(own), "kept")
    edited(own, smallest_ml={"ET": volumes_ml(kept)["ET"]})
    same = run(study, on_cpu(own), "same")
    assert same.mask.read_bytes() == kept.mask.read_bytes()
    assert same.report.warnings == kept.report.warnings


def test_what_is_not_believed_is_not_believed_on_any_grid(study: Path, own: Path) -> None:
    """On the grid of a T1ce that lay elsewhere, ET is gone as well, and becomes core."""
    edited(own, smallest_ml={"ET": 100.0})
    found, prepared = asked(study, own)
    assert 0 < found.unbelieved_ml < 100
    affine = prepared.placement.native.ras_from_voxel.copy()
    affine[:3, 3] += 0.4
    elsewhere = Grid(prepared.placement.native.shape, affine)
    scheme = SCHEMES["brats2021"]

    def labels(prediction: Any) -> LabelMap:
        moved = on_native_grid(prediction, prepared, elsewhere, scheme, probabilities=False)
        return moved.labels

    gone, there = labels(found), labels(replace(found, unbelieved_ml=0.0))
    assert there.tissue(Tissue.ET).volume_ml > 0
    assert gone.tissue(Tissue.ET).volume_ml == 0
    np.testing.assert_array_equal(gone.region("TC").data, there.region("TC").data)


# --- core without enhancement -------------------------------------------------------------


def test_a_tumor_without_enhancement_has_a_core_on_every_grid(study: Path, own: Path) -> None:
    """Without ET the core gets its least share, the report says so, and another grid agrees."""
    edited(own, smallest_ml={"ET": 100.0})
    before = volumes_ml(run(study, on_cpu(own), "before"))
    share = before["TC"] / before["WT"] + 0.1
    edited(own, least_core_share=share)
    done = run(study, on_cpu(own), "after")
    after = volumes_ml(done)
    assert after["WT"] == before["WT"]
    assert after["TC"] == pytest.approx(share * after["WT"], rel=0.02)
    (note,) = (text for text in done.report.warnings if "likeliest to be core" in text)
    assert f"{after['TC'] - before['TC']:.3f} mL" in note
    np.testing.assert_array_equal(moved_nowhere(study, own), voxels(done.mask))


# --- islands ------------------------------------------------------------------------------


EDEMA = {"t1": 330, "t1ce": 430, "t2": 700, "flair": 700}


def test_small_islands_are_left_out_on_every_grid(own: Path, tmp_path: Path) -> None:
    """Without them the rest stays as it was, the report says so, and another grid agrees."""
    known = phantom()
    images = {modality: image.copy() for modality, image in known.images.items()}
    for modality, level in EDEMA.items():
        images[modality][7:12, 20:25, 15:20] = level
    volumes = {modality: Volume(image, known.grid) for modality, image in images.items()}
    study = write_study(tmp_path / "two" / "LATUP-002", volumes)
    kept = run(study, on_cpu(own), "kept")
    were = voxels(kept.mask)
    pieces, count = ndimage.label(were)
    sizes = np.bincount(pieces.ravel())[1:] * known.grid.voxel_ml
    assert count > 1
    edited(own, smallest_island_ml=float(sizes.max()))
    alone = run(study, on_cpu(own), "alone")
    are = voxels(alone.mask)
    np.testing.assert_array_equal(are, np.where(pieces == 1 + sizes.argmax(), were, 0))
    (warning,) = (text for text in alone.report.warnings if "is left out" in text)
    assert f"{sizes.sum() - sizes.max():.3f} mL" in warning
    np.testing.assert_array_equal(moved_nowhere(study, own), are)


def test_an_island_takes_nothing_else_along(study: Path, own: Path) -> None:
    """In slices five times as thick, tumor in line with an island stays as it is without one."""
    found, prepared = asked(study, own)
    block = prepared.placement.block
    tumor, island = np.zeros((2, *block.shape), dtype=np.bool_)
    i, j, k = (size // 2 for size in block.shape)
    tumor[i - 4 : i + 4, j - 4 : j + 4, 4 : k + 2] = True
    island[i - 1 : i + 1, j - 1 : j + 1, -6:-4] = True
    x, y, z = block.spacing_mm
    native = block.respaced((x, y, 5 * z))

    def there(regions: npt.NDArray[np.bool_], islands: npt.NDArray[np.bool_] | None) -> Array:
        scores = np.stack([regions.astype(np.float32)] * 3)
        said = replace(found, regions=scores, islands=islands, unbelieved_ml=0.0)
        moved = on_native_grid(said, prepared, native, SCHEMES["brats2021"], probabilities=False)
        return moved.labels.data

    alone = there(tumor, None)
    assert alone.any()
    np.testing.assert_array_equal(there(tumor | island, island), alone)
