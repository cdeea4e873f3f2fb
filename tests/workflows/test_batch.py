"""A study at a time: everybody is done, or failed with a reason, and nobody is done twice."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from latup_cli.cohort.ledger import ledger_files, read_ledger
from latup_cli.cohort.lock import locked
from latup_cli.config import BatchSettings, SegmentSettings
from latup_cli.domain.cohort import DONE, FAILED, PENDING
from latup_cli.errors import (
    ModelNotFoundError,
    NotARunError,
    OtherSettingsError,
    PartError,
    RunGoesOnError,
    SmallerWindowMissingError,
    UnknownLabelSchemeError,
)
from latup_cli.inference.models import load_model
from latup_cli.workflows.batch import BatchDone, Progress, run_batch
from latup_cli.workflows.batch_status import batch_status, status_json
from latup_cli.workflows.segment import segment_study
from tests.fixtures.cohorts import (
    batch_on_cpu,
    forced_on_cpu,
    masks,
    no_worker,
    write_bads,
    write_good,
    write_goods,
)
from tests.fixtures.models import edited, hand_made_model
from tests.fixtures.phantoms import tree

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def mixed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A study of 14 good and 11 bad patients, done in `out` beside it; not to be changed."""
    root = tmp_path_factory.mktemp("mixed")
    write_goods(root / "study", 14)
    reasons = write_bads(root / "study")
    run_batch(root / "study", root / "out", batch_on_cpu(model, jobs=2))
    return root, reasons


@pytest.fixture
def moved(mixed: tuple[Path, dict[str, str]], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the study and of its results, with the times of the originals."""
    root, _ = mixed
    for name in ("study", "out"):
        shutil.copytree(root / name, tmp_path / name, symlinks=True)
    return tmp_path / "study", tmp_path / "out"


@pytest.fixture
def again(moved: tuple[Path, Path], model: Path) -> tuple[Path, Path]:
    """The same, and the ledger knows the new place."""
    run_batch(*moved, batch_on_cpu(model))
    return moved


def rows(path: Path) -> list[dict[str, str]]:
    """A table's rows by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- what comes of a study ----------------------------------------------------------------


def test_good_ones_are_done_and_bad_ones_have_a_reason(
    mixed: tuple[Path, dict[str, str]],
) -> None:
    """One bad patient never stops the rest, and each stands in failures.csv with its error."""
    root, reasons = mixed
    failures = {row["patient"]: row for row in rows(root / "out" / "failures.csv")}
    assert {name: row["error"] for name, row in failures.items()} == reasons
    assert all(row["exit_code"] == "3" and row["message"] for row in failures.values())
    assert all(row["hint"] for row in failures.values())
    assert sorted(masks(root / "out")) == [f"P{n:03}_seg.nii.gz" for n in range(14)]


def test_the_summary_has_a_row_per_patient(mixed: tuple[Path, dict[str, str]]) -> None:
    """Volumes, device and model of everybody who is done are those of the patient's report."""
    root, reasons = mixed
    table = {row["patient"]: row for row in rows(root / "out" / "summary.csv")}
    assert len(table) == 14 + len(reasons)
    for name in (f"P{n:03}" for n in range(14)):
        row = table[name]
        report = json.loads((root / "out" / row["report"]).read_text(encoding="utf-8"))
        for region, volume in report["volumes"]["regions"].items():
            assert float(row[f"{region}_ml"]) == volume["volume_ml"]
        assert row["model_sha256"] == report["model"]["sha256"]
        assert row["device"] == "cpu"
        assert float(row["seconds"]) == pytest.approx(sum(report["seconds"].values()), abs=0.01)
        assert (root / "out" / row["mask"]).is_file()
    summary = json.loads((root / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["counts"] == {DONE: 14, FAILED: len(reasons), PENDING: 0}
    assert [row["patient"] for row in summary["patients"]] == sorted(table)


def test_a_mask_is_the_one_of_latup_segment(
    mixed: tuple[Path, dict[str, str]], model: Path, tmp_path: Path
) -> None:
    """The bytes of a mask do not depend on which command made it."""
    root, _ = mixed
    done = segment_study(root / "study" / "P003", tmp_path, forced_on_cpu(model))
    assert done.mask.read_bytes() == masks(root / "out")["P003_seg.nii.gz"]


def test_nothing_but_results_is_left(mixed: tuple[Path, dict[str, str]]) -> None:
    """The output holds a folder for each patient who is done, the tables, and the ledger."""
    root, _ = mixed
    tables = ["batch-run", "failures.csv", "summary.csv", "summary.html", "summary.json"]
    expected = [*(f"P{n:03}" for n in range(14)), *tables]
    assert sorted(path.name for path in (root / "out").iterdir()) == expected
    assert [path.name for path in (root / "out" / "batch-run").iterdir()] == ["000001.jsonl"]
    assert not list((root / "out").rglob(".*"))


# --- a second run -------------------------------------------------------------------------


def test_a_second_run_does_nothing(
    again: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is done or has failed, nobody works, and nothing changes but the tables' time."""
    no_worker(monkeypatch)
    before = tree(again[1])
    done = run_batch(*again, batch_on_cpu(model))
    assert (done.exit_code, done.done, len(done.failed), done.before) == (8, 14, 11, 25)
    assert tree(again[1]) == before


def test_the_summary_of_a_second_run_is_the_same(again: tuple[Path, Path], model: Path) -> None:
    """Tables that were lost are written again from the ledger."""
    summary = again[1] / "summary.csv"
    before = summary.read_bytes()
    summary.unlink()
    run_batch(*again, batch_on_cpu(model))
    assert summary.read_bytes() == before


@pytest.mark.parametrize("damage", ["removed", "cut", "exchanged"])
def test_a_damaged_mask_is_made_again(damage: str, again: tuple[Path, Path], model: Path) -> None:
    """A mask that is not the one that was written does not count as done."""
    study, output = again
    expected = masks(output)
    mask = output / "P005" / "P005_seg.nii.gz"
    if damage == "removed":
        mask.unlink()
    elif damage == "cut":
        mask.write_bytes(mask.read_bytes()[:100])
    else:
        content = mask.read_bytes()
        mask.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told: list[Progress] = []
    run_batch(study, output, batch_on_cpu(model), tell=told.append)
    assert [p.record.name for p in told if p.record] == ["P005"]
    assert masks(output) == expected


def test_changed_images_are_done_again(again: tuple[Path, Path], model: Path) -> None:
    """New images of one patient make that patient's result void, and nobody else's."""
    study, output = again
    before = masks(output)
    shutil.rmtree(study / "P002")
    write_good(study / "P002", 30)
    run_batch(study, output, batch_on_cpu(model))
    after = masks(output)
    assert {name for name in before if before[name] != after[name]} == {"P002_seg.nii.gz"}


def test_a_study_that_was_moved_is_not_done_again(
    moved: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes elsewhere are the same patients, and an image that changes there is seen."""
    no_worker(monkeypatch)
    before = masks(moved[1])
    done = run_batch(*moved, batch_on_cpu(model))
    assert (done.done, len(done.failed), done.before) == (14, 11, 25)
    assert masks(moved[1]) == before
    shutil.copy(moved[0] / "P001" / "case_t1.nii.gz", moved[0] / "P002" / "case_t1.nii.gz")
    with pytest.raises(AssertionError, match="a worker was started"):
        run_batch(*moved, batch_on_cpu(model))


def test_touched_images_are_not_done_again(
    again: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files with new times and the same bytes are the same content."""
    no_worker(monkeypatch)
    for path in (again[0] / "P002").iterdir():
        os.utime(path)
    assert run_batch(*again, batch_on_cpu(model)).before == 25


def test_a_repaired_patient_is_done(again: tuple[Path, Path], model: Path) -> None:
    """Who failed is tried again once the images are others; those who did not change are not."""
    study, output = again
    for name in ("empty-t2", "without-flair"):
        shutil.rmtree(study / name)
        write_good(study / name, 3)
    told: list[Progress] = []
    done = run_batch(study, output, batch_on_cpu(model), tell=told.append)
    assert {p.record.name for p in told if p.record} == {"empty-t2", "without-flair"}
    assert (done.done, len(done.failed)) == (16, 9)
    assert "empty-t2" not in {row["patient"] for row in rows(output / "failures.csv")}


def test_failed_ones_are_retried_when_asked(again: tuple[Path, Path], model: Path) -> None:
    """With --retry-failed everybody whose files can be told apart is tried once more."""
    told: list[Progress] = []
    run_batch(*again, batch_on_cpu(model, retry_failed=True), tell=told.append)
    tried = {p.record.name for p in told if p.record}
    assert {"empty-t2", "cut-t1", "nan-in-t2"} <= tried
    assert not any(name.startswith("P0") for name in tried)


def test_other_settings_do_not_replace_results(again: tuple[Path, Path], model: Path) -> None:
    """Results of other settings stay until somebody says --overwrite; then all are made anew."""
    before = tree(again[1])
    other = BatchSettings(segment=forced_on_cpu(model, labels="brats2023"))
    with pytest.raises(OtherSettingsError, match="14 patients") as raised:
        run_batch(*again, other)
    assert raised.value.exit_code == 7
    assert tree(again[1]) == before
    replaced = BatchSettings(segment=forced_on_cpu(model, labels="brats2023"), overwrite=True)
    assert run_batch(*again, replaced).done == 14
    assert all(tree(again[1])[f"P001/{name}"] != before[f"P001/{name}"] for name in
               ("P001_seg.nii.gz", "P001_report.json"))  # fmt: skip


def test_another_model_counts_as_another_setting(again: tuple[Path, Path], tmp_path: Path) -> None:
    """A description of the model that changes results makes them void; its prose does not."""
    other = hand_made_model(tmp_path / "other")
    edited(other, trained_on="somebody else's words")
    assert run_batch(*again, batch_on_cpu(other)).before == 25
    usual = {"shape": [32, 40, 32], "overlap": 0.5, "dice": {}}
    short = {"file": "model.onnx", "sha256": load_model(other).spec.sha256, "dice_difference": {}}
    edited(other, smallest_ml={}, windows=[usual, {**usual, "shape": [16, 16, 16]}])
    assert run_batch(*again, batch_on_cpu(other)).before == 25
    for changed in (
        {"spacing_mm": [2.5, 2.5, 2.5]},
        {"spacing_mm": [2.0, 2.0, 2.0], "smallest_ml": {"ET": 0.01}},
        {"smallest_ml": {}, "smallest_island_ml": 0.01},
        {"smallest_island_ml": 0.0, "least_core_share": 0.4},
        {"least_core_share": 0.0, "least_certainty": {"ET": 0.4}},
        {"least_certainty": {}, "windows": [{**usual, "overlap": 0.25}]},
        {"windows": [], "precisions": {"bfloat16": {**short, "allowed_as_default": True}}},
    ):
        edited(other, **changed)
        with pytest.raises(OtherSettingsError):
            run_batch(*again, batch_on_cpu(other))


def test_somebody_else_s_mask_is_not_replaced(model: Path, tmp_path: Path) -> None:
    """A mask that no run has written down makes its patient fail, and stays as it is."""
    write_goods(tmp_path / "study", 2)
    mine = tmp_path / "out" / "P001" / "P001_seg.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"by hand")
    done = run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model))
    assert (done.exit_code, done.done) == (8, 1)
    (failed,) = done.failed
    assert failed.failure is not None
    assert (failed.name, failed.failure.error) == ("P001", "OutputExistsError")
    assert mine.read_bytes() == b"by hand"
    run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model, overwrite=True))
    assert mine.read_bytes() != b"by hand"


# --- parts, names and other runs ----------------------------------------------------------


def test_parts_add_up(model: Path, tmp_path: Path) -> None:
    """Parts are disjoint, any order of them covers the study, and the tables tell who is left."""
    write_goods(tmp_path / "study", 5)
    seen: list[str] = []
    for part in (2, 0, 1):
        done = run_batch(
            tmp_path / "study",
            tmp_path / "out",
            batch_on_cpu(model, num_parts=3, part_id=part),
        )
        seen += [record.name for record in done.records]
        left = 5 - len(seen)
        summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
        assert summary["counts"] == {DONE: len(seen), FAILED: 0, PENDING: left}
    assert sorted(seen) == [f"P{n:03}" for n in range(5)]


def test_another_run_is_told(model: Path, tmp_path: Path) -> None:
    """While one run works in an output folder, a second is refused and changes nothing."""
    write_goods(tmp_path / "study", 1)
    with locked(tmp_path / "out"):
        before = sorted(path for path in tree(tmp_path / "out") if not path.endswith(".lock"))
        with pytest.raises(RunGoesOnError, match=str(os.getpid())):
            run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model))
        assert before == ["batch-run"]
        assert not (tmp_path / "out" / "P000").exists()


def test_results_inside_the_study_are_no_patients(model: Path, tmp_path: Path) -> None:
    """By default results go into the study, and a second run does not find them."""
    study = write_goods(tmp_path / "study", 2)
    first = run_batch(study, None, batch_on_cpu(model))
    assert first.output == study / "latup"
    again = run_batch(study, None, batch_on_cpu(model))
    assert (again.done, again.before) == (2, 2)
    assert [folder.place for folder in again.cohort.passed_over] == ["latup"]


def test_aligned_images_beside_the_inputs_are_no_inputs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With results among the images, a second run finds the same four files, and does nothing."""
    study = write_goods(tmp_path / "study", 2)
    settings = BatchSettings(segment=forced_on_cpu(model, keep_intermediates=True))
    first = run_batch(study, study, settings)
    assert (first.exit_code, first.done) == (0, 2)
    no_worker(monkeypatch)
    again = run_batch(study, study, settings)
    assert (again.exit_code, again.before) == (0, 2)


def test_equal_names_get_results_of_their_own(model: Path, tmp_path: Path) -> None:
    """Patients of one name at two sites are both done, each in a folder of its own."""
    for number, site in enumerate(("north", "south")):
        write_good(tmp_path / "study" / site / "001", number)
    done = run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model))
    assert [record.name for record in done.records] == ["north_001", "south_001"]
    assert len(set(masks(tmp_path / "out").values())) == 2


def test_names_of_people_are_nowhere(model: Path, tmp_path: Path) -> None:
    """No output, ledger and file names included, holds a name or date from the folders."""
    write_good(tmp_path / "study" / "DOE^JANE 19610412")
    bad = write_good(tmp_path / "study" / "ROE^JIM 19450508")
    (bad / "case_t1.nii.gz").write_bytes(b"")
    run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model))
    # Digests, times in nanoseconds, measured numbers and those of a disk hold any year by chance.
    by_chance = re.compile(
        rb'[0-9a-f]{64}|(?<!\d)\d{19}(?!\d)|\d+\.\d{5,}|"(inode|size)": \d+|"path_id": "[0-9a-f]+"'
    )
    for name, content in tree(tmp_path / "out").items():
        said = by_chance.sub(b"", content)
        for word in ("DOE", "JANE", "ROE", "JIM", "1961", "1945"):
            assert word not in name
            assert name.endswith(".gz") or word.encode() not in said


# --- what stops a run before it begins ----------------------------------------------------


def test_what_nobody_could_survive_is_told_at_once(tmp_path: Path, model: Path) -> None:
    """Without a model, or a window that was asked for, no patient is begun, nothing written."""
    write_goods(tmp_path / "study", 1)
    for settings, error in (
        (SegmentSettings(weights=Path("nowhere")), ModelNotFoundError),
        (SegmentSettings(weights=model, low_memory=True), SmallerWindowMissingError),
    ):
        with pytest.raises(error):
            run_batch(tmp_path / "study", tmp_path / "out", BatchSettings(segment=settings))
    assert not (tmp_path / "out").exists()


def test_settings_with_unknown_labels_do_not_exist() -> None:
    """Labels that nobody knows are refused before there is anything to begin: exit code 2."""
    with pytest.raises(UnknownLabelSchemeError) as caught:
        SegmentSettings(labels="mine")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "choices", [{"jobs": 0}, {"num_parts": 0}, {"num_parts": 2, "part_id": 2}, {"part_id": -1}]
)
def test_parts_that_make_no_sense(choices: dict[str, int]) -> None:
    """Jobs and parts are counted from 1, a part's number from 0."""
    with pytest.raises(PartError) as raised:
        BatchSettings(**choices)
    assert raised.value.exit_code == 2


def test_all_failed_is_another_exit_code(model: Path, tmp_path: Path) -> None:
    """Where nobody is done the exit code is 9."""
    bad = write_good(tmp_path / "study" / "P")
    (bad / "case_t1.nii.gz").write_bytes(b"")
    done = run_batch(tmp_path / "study", tmp_path / "out", batch_on_cpu(model))
    assert done.exit_code == 9


# --- status -------------------------------------------------------------------------------


def test_status_tells_where_a_run_stands(mixed: tuple[Path, dict[str, str]]) -> None:
    """Counts and reasons are those of the ledger, and nobody is at work."""
    root, reasons = mixed
    said = status_json(batch_status(root / "out"))
    assert said["counts"] == {DONE: 14, FAILED: 11, PENDING: 0}
    assert said["running"] == []
    assert set(said["failed"]) == set(reasons)  # type: ignore[call-overload]


def test_status_while_somebody_works(mixed: tuple[Path, dict[str, str]]) -> None:
    """Who holds the lock is at work."""
    root, _ = mixed
    with locked(root / "out"):
        (said,) = batch_status(root / "out").running
    assert f"process {os.getpid()}" in said


def test_status_of_no_run(tmp_path: Path) -> None:
    """A folder without a ledger is no run, with exit code 3."""
    with pytest.raises(NotARunError) as raised:
        batch_status(tmp_path)
    assert raised.value.exit_code == 3


def test_progress_counts_up(model: Path, tmp_path: Path) -> None:
    """The first word says how many there are, and each end counts one more."""
    write_goods(tmp_path / "study", 3)
    told: list[Progress] = []
    done: BatchDone = run_batch(
        tmp_path / "study", tmp_path / "out", batch_on_cpu(model), tell=told.append
    )
    assert [(p.total, p.done, p.failed) for p in told] == [(3, n, 0) for n in range(4)]
    assert told[0].record is None
    assert done.exit_code == 0
    assert len(ledger_files(tmp_path / "out")) == 1
    states = {name: r.state for name, r in read_ledger(tmp_path / "out").records.items()}
    assert states == dict.fromkeys(("P000", "P001", "P002"), DONE)
