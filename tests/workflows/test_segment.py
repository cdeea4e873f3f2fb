"""A whole segmentation as a Python program sees it: what is written, where, and what it says."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from latup_cli.config import (
    Device,
    InferenceSettings,
    PreparationSettings,
    SegmentSettings,
    Space,
    sample_root,
)
from latup_cli.domain.grid import Grid
from latup_cli.domain.result_names import ALIGNED_MASK, ENDINGS, REGISTRATION
from latup_cli.domain.volume import Volume
from latup_cli.errors import (
    InputReplacedError,
    OutputError,
    OutputExistsError,
    StudyNameError,
)
from latup_cli.inference.models import load_model
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.labels import MODALITIES, REGIONS, SCHEMES
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.workflows import results
from latup_cli.workflows.align import Ready
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.output import endings_of
from latup_cli.workflows.results import Segmented
from latup_cli.workflows.segment import decide_job, look_job, segment_study
from tests.fixtures.models import on_cpu, respaced
from tests.fixtures.phantoms import Phantom, phantom, save, tree, voxels, write_study
from tests.properties.strategies import AXIS_ORDERS, stored_as, tilt, world

STAGES = ["model", "open", "read", "register", "strip", "check", "prepare", "segment", "write"]
ALWAYS = ["report.csv", "report.json", "seg.nii.gz"]


@pytest.fixture(scope="module")
def everything(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Segmented:
    """One run that writes all it can, in the study's own folder; not to be changed."""
    folder = write_study(tmp_path_factory.mktemp("all") / "LATUP-001", phantom().volumes())
    return segment_study(folder, None, on_cpu(model, preview=True, save_probabilities=True))


def report_of(done: Segmented) -> dict[str, Any]:
    """The JSON report."""
    content = json.loads(done.report_file.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Overlap of two masks."""
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def shares_of_truth(answer: npt.NDArray[Any], truth: npt.NDArray[np.uint8]) -> list[float]:
    """Measured volume over the true one for WT, TC, ET in BraTS 2021 numbers."""
    scheme = SCHEMES["brats2021"]
    numbers = [[scheme.numbers[tissue] for tissue in tissues] for tissues in REGIONS.values()]
    return [
        np.count_nonzero(np.isin(answer, n)) / np.count_nonzero(np.isin(truth, n)) for n in numbers
    ]


# --- what is written ----------------------------------------------------------------------


def test_the_answer_is_right(everything: Segmented) -> None:
    """The tumor is found where it is, and each region is about as large as it is."""
    answer, truth = voxels(everything.mask), phantom().answer
    assert dice(answer > 0, truth > 0) > 0.85
    assert dice(answer == 4, truth == 4) > 0.7
    assert shares_of_truth(answer, truth) == pytest.approx([1.0] * 3, abs=0.3)


def test_files_have_the_study_s_name(everything: Segmented) -> None:
    """Everything that is returned exists, lies in `latup` in the study, and nothing else does."""
    folder = everything.mask.parent
    assert folder.name == "latup"
    assert folder.parent.name == "LATUP-001"
    endings = sorted([*ALWAYS, "preview.png", "probabilities.nii.gz"])
    assert [path.name for path in everything.files] == [f"LATUP-001_{e}" for e in endings]
    assert sorted(folder.iterdir()) == list(everything.files)
    assert {everything.mask, everything.report_file} < set(everything.files)


def test_the_mask_lies_on_the_t1ce(everything: Segmented) -> None:
    """One byte per voxel, and shape, affine, codes and units as in the T1ce."""
    mask = nib.load(everything.mask)
    t1ce = nib.load(everything.study.modalities["t1ce"].path)
    assert mask.get_data_dtype() == np.uint8
    assert mask.shape == t1ce.shape
    np.testing.assert_allclose(mask.affine, t1ce.affine, atol=1e-6)
    np.testing.assert_allclose(mask.get_qform(), t1ce.get_qform(), atol=1e-6)
    for code in ("sform_code", "qform_code"):
        assert int(mask.header[code]) == int(t1ce.header[code]) == 1
    assert mask.header.get_xyzt_units()[0] == "mm"
    assert mask.dataobj.slope == 1


def test_the_mask_says_what_its_numbers_mean(everything: Segmented) -> None:
    """The label names stand in the file's own header, as JSON."""
    (extension,) = nib.load(everything.mask).header.extensions
    said = json.loads(extension.get_content())
    assert said["label_scheme"] == "brats2021"
    assert said["labels"]["4"] == "enhancing tumor"
    assert set(said["labels"]) == {"1", "2", "4"}


def test_no_clock_is_in_the_files(everything: Segmented) -> None:
    """The gzip header holds no time, and no file name that could be a patient's."""
    for path in everything.files:
        if path.suffix == ".gz":
            head = path.read_bytes()[:10]
            assert head[4:8] == b"\0\0\0\0"
            assert head[3] & 0x08 == 0


def test_probabilities_are_nested(everything: Segmented) -> None:
    """Three volumes WT, TC, ET in [0, 1], each at most its predecessor, and 0 outside the brain."""
    image = nib.load(everything.mask.with_name("LATUP-001_probabilities.nii.gz"))
    regions = np.asanyarray(image.dataobj)
    assert regions.shape == (*phantom().grid.shape, 3)
    assert regions.dtype == np.float32
    assert 0 <= regions.min() <= regions.max() <= 1
    assert (regions[..., 0] >= regions[..., 1]).all()
    assert (regions[..., 1] >= regions[..., 2]).all()
    np.testing.assert_array_equal(voxels(everything.mask) > 0, regions[..., 0] > 0.5)
    np.testing.assert_allclose(image.affine, phantom().grid.ras_from_voxel, atol=1e-6)


def test_volumes_are_those_of_the_mask(everything: Segmented) -> None:
    """Each volume in the report is a count of voxels in the file, times a voxel's volume."""
    answer, report = voxels(everything.mask), report_of(everything)
    counts = {tissue: int(np.count_nonzero(answer == number)) for tissue, number in
              report["labels"]["numbers"].items()}  # fmt: skip
    counts["TC"] = counts["NCR"] + counts["ET"]
    counts["WT"] = counts["TC"] + counts["ED"]
    regions = report["volumes"]["regions"]
    assert {region: entry["voxels"] for region, entry in regions.items()} == counts
    for region, entry in regions.items():
        assert entry["volume_ml"] == pytest.approx(counts[region] / 1000, abs=1e-4)
    assert report["volumes"]["brain"]["voxels"] == np.count_nonzero(phantom().images["t1"])


def test_the_report_identifies_the_inputs(everything: Segmented, model: Path) -> None:
    """Names without folders, the reason of each choice, and SHA-256 sums of inputs and model."""
    report = report_of(everything)
    assert [entry["modality"] for entry in report["inputs"]] == list(MODALITIES)
    for entry in report["inputs"]:
        path = everything.study.modalities[entry["modality"]].path
        assert entry["path"] == path.name
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["reason"].startswith("name contains")
    onnx = (model / "model.onnx").read_bytes()
    assert report["model"]["sha256"] == hashlib.sha256(onnx).hexdigest()
    assert str(everything.mask.parent.parent.parent) not in everything.report_file.read_text()


def test_seconds_are_true(model: Path, study: Path) -> None:
    """Every stage has its seconds, and together they are no more than the time that passed."""
    announced: list[tuple[str, float]] = []
    started = time.perf_counter()
    done = segment_study(
        study, None, on_cpu(model), announce=lambda stage, share: announced.append((stage, share))
    )
    passed = time.perf_counter() - started
    seconds = report_of(done)["seconds"]
    assert list(seconds) == STAGES
    assert min(seconds.values()) >= 0
    assert 0.2 * passed < sum(seconds.values()) <= passed
    assert list(dict.fromkeys(stage for stage, _ in announced)) == STAGES
    assert all(0 <= share <= 1 for _, share in announced)


def test_two_runs_write_the_same_mask(model: Path, study: Path, tmp_path: Path) -> None:
    """Byte for byte, on the same machine."""
    one = segment_study(study, tmp_path / "one", on_cpu(model))
    other = segment_study(study, tmp_path / "other", on_cpu(model))
    assert one.mask.read_bytes() == other.mask.read_bytes()


def test_both_engines_write_the_same_mask(everything: Segmented, model: Path) -> None:
    """OpenVINO and ONNX Runtime agree to the voxel on a model without close calls."""
    folder = everything.mask.parent.parent
    openvino = InferenceSettings(device=Device("cpu"), engine="openvino")
    settings = replace(on_cpu(model), inference=openvino)
    other = segment_study(folder, folder.parent / "other", settings)
    assert other.report.runs_on.engine.startswith("openvino ")
    np.testing.assert_array_equal(voxels(other.mask), voxels(everything.mask))


def test_brats_2023_numbers(everything: Segmented, model: Path) -> None:
    """The newer scheme has 3 where the older one has 4, and says so."""
    folder = everything.mask.parent.parent
    settings = on_cpu(model, labels="brats2023")
    other = segment_study(folder, folder.parent / "brats2023", settings)
    before, after = voxels(everything.mask), voxels(other.mask)
    assert (before == 4).any()
    np.testing.assert_array_equal(after, np.where(before == 4, 3, before))
    (extension,) = nib.load(other.mask).header.extensions
    assert json.loads(extension.get_content())["labels"]["3"] == "enhancing tumor"
    assert report_of(other)["labels"]["numbers"]["ET"] == 3


# --- names and places ---------------------------------------------------------------------


def test_a_run_never_takes_its_own_output(model: Path, study: Path) -> None:
    """A second run is refused; with overwrite it reads the same four files and says the same."""
    settings = on_cpu(model, preview=True, save_probabilities=True)
    first = segment_study(study, None, settings)
    before = tree(study)
    with pytest.raises(OutputExistsError) as caught:
        segment_study(study, None, settings)
    assert caught.value.exit_code == 7
    assert tree(study) == before
    second = segment_study(study, None, replace(settings, overwrite=True))
    assert second.report.inputs == first.report.inputs
    assert tree(study)["latup/LATUP-001_seg.nii.gz"] == before["latup/LATUP-001_seg.nii.gz"]
    assert set(tree(study)) == set(before)


def test_results_may_lie_among_the_images(model: Path, study: Path) -> None:
    """Written into the study's folder itself, results are not taken for images or experts' work."""
    settings = on_cpu(model, preview=True, save_probabilities=True)
    first = segment_study(study, study, settings)
    second = segment_study(study, study, replace(settings, overwrite=True))
    assert second.report.inputs == first.report.inputs
    assert second.study.segmentation is None


def test_no_stale_file_stays_beside_a_newer_mask(model: Path, study: Path) -> None:
    """A run without preview and probabilities removes those of the run it replaces, only those."""
    output = segment_study(study, None, on_cpu(model, preview=True, save_probabilities=True)).mask
    (output.parent / "notes_preview.png").write_bytes(b"mine")
    done = segment_study(study, None, on_cpu(model, overwrite=True))
    left = sorted(path.name for path in output.parent.iterdir())
    assert left == [*(path.name for path in done.files), "notes_preview.png"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_an_input_is_never_replaced_or_removed(
    overwrite: bool, keep: bool, model: Path, study: Path
) -> None:
    """Inputs that are called as results are refused as an output's place, and stay as they are."""
    for modality in MODALITIES:
        (study / f"case_{modality}.nii.gz").rename(
            study / f"{study.name}_aligned_{modality}.nii.gz"
        )
    before = tree(study)
    settings = on_cpu(model, overwrite=overwrite, keep_intermediates=keep)
    with pytest.raises(
        InputReplacedError, match=r"LATUP-001_aligned_t1.nii.gz came with the study"
    ) as said:
        segment_study(study, study, settings)
    assert said.value.exit_code == 7
    assert "-o" in said.value.hint
    assert tree(study) == before
    linked = study.with_name("linked")
    linked.symlink_to(study)
    with pytest.raises(InputReplacedError):
        segment_study(study, linked, settings)
    assert segment_study(study, study / "latup", settings).mask.is_file()


@pytest.mark.parametrize("several", [False, True])
def test_an_expert_s_segmentation_stays(several: bool, model: Path, study: Path) -> None:
    """It is what cannot be made again, so that not even `overwrite` replaces it."""
    head = phantom()
    save(study / "LATUP-001_seg.nii.gz", head.answer, head.grid.ras_from_voxel)
    if several:
        save(study / "LATUP-001_seg_second.nii.gz", head.answer, head.grid.ras_from_voxel)
    before = tree(study)
    with pytest.raises(InputReplacedError, match=r"LATUP-001_seg.nii.gz"):
        segment_study(study, study, on_cpu(model, overwrite=True))
    assert tree(study) == before


def test_a_brain_mask_that_was_given_stays(model: Path, study: Path) -> None:
    """A mask of the brain that lies where ours would is an input like any other."""
    head = phantom()
    data = (head.images["t1"] > 0).astype(np.uint8)
    given = save(study / "LATUP-001_brain.nii.gz", data, head.grid.ras_from_voxel)
    before = tree(study)
    preparation = PreparationSettings(force=True, brain_mask=given)
    with pytest.raises(InputReplacedError, match=r"LATUP-001_brain.nii.gz"):
        segment_study(study, study, on_cpu(model, preparation=preparation, overwrite=True))
    assert tree(study) == before


@pytest.mark.parametrize("ending", ["report.json", "report.csv", "preview.png", "seg.nii.gz"])
def test_whatever_would_be_replaced_needs_a_word(ending: str, model: Path, study: Path) -> None:
    """Any file that a run writes and that is there already is refused, not the mask alone."""
    there = study.with_name("out") / f"LATUP-001_{ending}"
    there.parent.mkdir()
    there.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=f"LATUP-001_{ending} exists already"):
        segment_study(study, there.parent, on_cpu(model, preview=True))
    assert there.read_bytes() == b"mine"
    segment_study(study, there.parent, on_cpu(model, preview=True, overwrite=True))
    assert there.read_bytes() != b"mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_run_of_ours_wrote_stays(overwrite: bool, model: Path, study: Path) -> None:
    """Without a report of ours from before, nothing that a run does not write is removed."""
    mine = [study / f"LATUP-001_{ending}" for ending in ("seg.dcm", "brain.nii.gz", "preview.png")]
    for path in mine:
        path.write_bytes(b"mine")
    if overwrite:
        (study / "LATUP-001_report.json").write_text('{"findings": "by a radiologist"}')
    segment_study(study, study, on_cpu(model, overwrite=overwrite))
    assert [path.read_bytes() for path in mine] == [b"mine"] * len(mine)


def test_all_that_is_written_is_known_as_ours(model: Path, study: Path, tmp_path: Path) -> None:
    """A run writes what its settings say, under endings by which results are known, and no more."""
    few, all_of_it = on_cpu(model), on_cpu(
        model, preview=True, save_probabilities=True, keep_intermediates=True, space=Space.BOTH
    )  # fmt: skip
    for name, settings in (("few", few), ("all", all_of_it)):
        done = segment_study(study, tmp_path / name, settings)
        written = {path.name.removeprefix("LATUP-001_") for path in done.files}
        assert written <= set(endings_of(settings)) <= set(ENDINGS)
        assert set(endings_of(settings)) - written <= {REGISTRATION, ALIGNED_MASK}


def test_four_files_need_no_folder(model: Path, study: Path, tmp_path: Path) -> None:
    """Named files from anywhere do; results lie beside the T1ce and are called as one likes."""
    named = {}
    for modality in MODALITIES:
        place = tmp_path / "elsewhere" / modality
        place.mkdir(parents=True)
        named[modality] = place / "image.nii.gz"
        shutil.copy(study / f"case_{modality}.nii.gz", named[modality])
    done = segment_study(None, None, on_cpu(model), named=named, name="Fall 7")
    assert done.mask == tmp_path / "elsewhere" / "t1ce" / "latup" / "Fall 7_seg.nii.gz"
    assert dice(voxels(done.mask) > 0, phantom().answer > 0) > 0.85
    assert {entry["reason"] for entry in report_of(done)["inputs"]} == {"given on the command line"}
    assert str(tmp_path) not in done.report_file.read_text(encoding="utf-8")


def test_a_named_file_wins_over_the_folder_s(model: Path, study: Path, tmp_path: Path) -> None:
    """Mixing a folder and a named file takes the named one, and says so."""
    other = save(
        tmp_path / "new.nii.gz", phantom().images["flair"] * 2, phantom().grid.ras_from_voxel
    )
    done = segment_study(study, None, on_cpu(model), named={"flair": other})
    entry = report_of(done)["inputs"][MODALITIES.index("flair")]
    assert entry["path"] == "new.nii.gz"
    assert entry["sha256"] == hashlib.sha256(other.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "../up", "a\nb", ".hidden", "x" * 400])
def test_a_name_leads_nowhere_else(name: str, model: Path, study: Path) -> None:
    """A study's name that is no file name is refused, and nothing is written anywhere."""
    before = tree(study.parent)
    with pytest.raises(StudyNameError) as caught:
        segment_study(study, None, on_cpu(model), name=name)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert tree(study.parent) == before


@pytest.mark.parametrize("name", ["Jürgen Ångström 患者", "a [bold] & 100% 'b'", "bytes \udcff"])
def test_any_path_will_do(name: str, model: Path, study: Path) -> None:
    """Spaces, signs, any alphabet, and bytes that are no text at all: the report can be read."""
    folder = study.rename(study.with_name(name))
    weights = Path(shutil.copytree(model, study.parent / "Gewichte ö 患者"))
    done = segment_study(folder, None, on_cpu(weights, preview=True))
    assert done.mask.name == f"{name}_seg.nii.gz"
    assert all(path.is_file() for path in done.files)
    assert report_of(done)["study"] == name


def test_a_patient_s_name_does_not_come_out(model: Path, study: Path) -> None:
    """Where the folder is called like a person, no file's name or content repeats it."""
    folder = study.rename(study.with_name("DOE^JANE_19610402"))
    done = segment_study(folder, study.parent / "out", on_cpu(model, preview=True))
    for path in done.files:
        assert path.name.startswith("study-")
        assert b"DOE" not in path.read_bytes()


def test_an_output_that_cannot_be_written_does_not_name_the_patient(
    study: Path, model: Path
) -> None:
    """The default output lies in the study's folder, whose name stays out of the error."""
    folder = study.rename(study.with_name("DOE^JANE_19610402"))
    (folder / "latup").write_bytes(b"in the way")
    with pytest.raises(OutputError) as caught:
        segment_study(folder, None, on_cpu(model))
    assert str(caught.value).startswith("latup cannot be written")


def test_a_new_output_folder_is_made(model: Path, study: Path, tmp_path: Path) -> None:
    """However deep it lies."""
    done = segment_study(study, tmp_path / "a" / "b" / "c", on_cpu(model))
    assert done.mask == tmp_path / "a" / "b" / "c" / "LATUP-001_seg.nii.gz"
    assert done.mask.is_file()


# --- failures -----------------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [False, True])
def test_a_failure_halfway_leaves_nothing(
    earlier: bool, model: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk is full after the mask, no file of the run is left and earlier ones are whole."""
    if earlier:
        segment_study(study, study / "deep" / "out", on_cpu(model, preview=True))
    before = tree(study.parent)

    def full(_folder: Path, _report: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_json_report", full)
    with pytest.raises(OutputError, match="out cannot be written: No space left") as caught:
        segment_study(study, study / "deep" / "out", on_cpu(model, overwrite=True))
    assert caught.value.exit_code == 10
    assert tree(study.parent) == before


def test_a_mask_that_reads_back_otherwise_is_refused(
    model: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk is compared with what was computed, voxel by voxel."""
    before, write = tree(study.parent), results.nifti.write_labels

    def failing_disk(path: Path, labels: Any, codes: Any) -> None:
        write(path, labels, codes)
        data = voxels(path).copy()
        data[20, 20, 20] ^= 1
        save(path, data, phantom().grid.ras_from_voxel)

    monkeypatch.setattr(results.nifti, "write_labels", failing_disk)
    with pytest.raises(OutputError, match="read back differs"):
        segment_study(study, None, on_cpu(model))
    assert tree(study.parent) == before


# --- geometry -----------------------------------------------------------------------------


def _segmented(folder: Path, weights: Path, opened: Opened) -> tuple[npt.NDArray[np.uint8], Grid]:
    """Files to a label map on their own grid, without opening the model again."""
    model = load_model(weights)
    study = load_study(find_study(folder))
    aligned = as_aligned(study)
    ready = Ready(study, aligned, prepare(aligned, model.spec))
    settings = replace(on_cpu(weights), labels="brats2023")
    look = look_job(ready, model.spec, opened, settings)
    labels = decide_job(look, ready, model.spec, settings).native.labels
    return np.asarray(labels.data), labels.grid


def places(data: npt.NDArray[Any], grid: Grid) -> dict[int, set[tuple[float, ...]]]:
    """Label to where its voxels lie, RAS+ in mm to a tenth."""
    return {
        value: set(map(tuple, (world(grid, np.argwhere(data == value)).round(1) + 0.0).tolist()))
        for value in (1, 2, 3)
    }


@cache
def tilted() -> Mapping[str, Volume]:
    """The phantom in a head that is turned by a few degrees."""
    source = phantom()
    affine = np.eye(4)
    affine[:3, :3] = tilt(6.0) * (-1.0, -1.0, 1.0)
    affine[:3, 3] = (21.5, 30.0, -12.5)
    grid = Grid(source.grid.shape, affine)
    return {modality: Volume(data, grid) for modality, data in source.images.items()}


@pytest.fixture(scope="module")
def opened(model: Path) -> Opened:
    """The model, opened once."""
    return open_engine(load_model(model).graph, on_cpu(model).inference)


@pytest.fixture(scope="module")
def reference(
    model: Path, opened: Opened, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, set[tuple[float, ...]]]:
    """Where the tissues lie for files in the order RAS."""
    turned = {modality: stored_as(volume, "RAS") for modality, volume in tilted().items()}
    folder = write_study(tmp_path_factory.mktemp("RAS"), turned, suffix=".nii")
    found = places(*_segmented(folder, model, opened))
    assert all(len(voxels) > 50 for voxels in found.values())
    return found


@pytest.mark.parametrize("codes", AXIS_ORDERS)
def test_the_axis_order_of_the_files_changes_nothing(
    codes: str,
    model: Path,
    opened: Opened,
    reference: dict[int, set[tuple[float, ...]]],
    tmp_path: Path,
) -> None:
    """All 48 ways to store a study give the same tissues at the same places in the scanner."""
    turned = {modality: stored_as(volume, codes) for modality, volume in tilted().items()}
    data, grid = _segmented(write_study(tmp_path, turned, suffix=".nii"), model, opened)
    assert "".join(nib.aff2axcodes(grid.ras_from_voxel)) == codes
    assert places(data, grid) == reference


def _on_another_grid(source: Phantom, model: Path, folder: Path) -> npt.NDArray[Any]:
    done = segment_study(write_study(folder, source.volumes()), None, on_cpu(model))
    mask = nib.load(done.mask)
    assert mask.shape == source.grid.shape
    np.testing.assert_allclose(mask.affine, source.grid.ras_from_voxel, atol=1e-5)
    (wt,) = (entry for entry in done.report.volumes.regions if entry.region == "WT")
    answer = np.asanyarray(mask.dataobj)
    assert wt.volume_ml == pytest.approx(np.count_nonzero(answer) * source.grid.voxel_ml)
    return answer


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 3.0), (0.8, 2.5, 1.1), (2.0, 2.0, 2.0)])
def test_other_voxels_come_back_on_their_own_grid(
    spacing_mm: tuple[float, float, float], model: Path, tmp_path: Path
) -> None:
    """Slices of 3 mm, or voxels the size of the model's, give a mask of the right volume there."""
    source = phantom((40, 36, 34), spacing_mm)
    answer = _on_another_grid(source, model, tmp_path / "case")
    assert dice(answer > 0, source.answer > 0) > 0.85
    assert shares_of_truth(answer, source.answer)[0] == pytest.approx(1.0, abs=0.2)


def test_many_windows_give_one_mask(model: Path, study: Path, tmp_path: Path) -> None:
    """A brain larger than the window is seen in several, and at its own spacing exactly."""
    fine = respaced(model, tmp_path / "fine", 1.0)
    done = segment_study(study, None, on_cpu(fine))
    assert done.report.windows > 1
    assert dice(voxels(done.mask) > 0, phantom().answer > 0) > 0.99


def test_an_empty_answer_is_an_answer(model: Path, tmp_path: Path) -> None:
    """A brain without a tumor gives an empty mask, zeros in the report, and a picture."""
    healthy = phantom(tumor_size=0.0).volumes()
    done = segment_study(write_study(tmp_path / "c", healthy), None, on_cpu(model, preview=True))
    assert not voxels(done.mask).any()
    assert report_of(done)["volumes"]["regions"]["WT"]["volume_ml"] == 0


# --- the model that is shipped ---------------------------------------------------------------


@pytest.mark.shipped
def test_the_shipped_model_on_the_shipped_sample(tmp_path: Path) -> None:
    """The sample's whole tumor is found with a Dice of 0.8 and its volume measured to a fifth."""
    settings = SegmentSettings()
    sample = sample_root() / "brats-like" / "LATUP-SAMPLE-001"
    expert = find_study(sample).segmentation
    assert expert is not None
    truth = voxels(expert.path)
    on_the_cpu = replace(settings, inference=InferenceSettings(device=Device("cpu")))
    done = segment_study(sample, tmp_path, on_the_cpu)
    assert dice(voxels(done.mask) > 0, truth > 0) >= 0.80
    assert shares_of_truth(voxels(done.mask), truth)[0] == pytest.approx(1.0, abs=0.2)
