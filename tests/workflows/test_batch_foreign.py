"""What no run of ours has written down is somebody's work, and stays until `--overwrite`."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from latup_cli.cohort.ledger import FOLDER, read_ledger
from latup_cli.config import BatchSettings
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Record
from latup_cli.errors import InterruptedRunError, OtherSettingsError, OutputExistsError
from latup_cli.workflows import batch as workflow
from latup_cli.workflows.batch import BatchDone, run_batch
from tests.fixtures.cohorts import batch_on_cpu, forced_on_cpu, no_worker, write_good, write_goods
from tests.fixtures.phantoms import phantom, save, tree, voxels

pytestmark = pytest.mark.usefixtures("in_this_process")

AFFINE = phantom().grid.ras_from_voxel


@pytest.fixture
def done(model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A study of one patient, `P000`, and the folder of its results."""
    study = write_goods(tmp_path / "study", 1)
    assert run_batch(study, tmp_path / "out", batch_on_cpu(model)).exit_code == 0
    return study, tmp_path / "out"


def by_hand(mask: Path) -> bytes:
    """Write somebody's mask to a place, or into the one that is there; what the file holds now."""
    mask.parent.mkdir(parents=True, exist_ok=True)
    data = np.zeros(phantom().grid.shape, np.uint8)
    data[20, 20, 20] = 4
    save(mask, data, AFFINE)
    later = time.time_ns() + 5_000_000_000
    os.utime(mask, ns=(later, later))
    return mask.read_bytes()


def mask_of(output: Path, name: str = "P000") -> Path:
    """Where a patient's mask lies."""
    return output / name / f"{name}_seg.nii.gz"


def refused(done: BatchDone) -> dict[str, str]:
    """Name to error of those who failed, all of them because something is there."""
    failures = {record.name: record.failure for record in done.failed}
    assert all(failure is not None and failure.exit_code == 7 for failure in failures.values())
    return {name: failure.error for name, failure in failures.items() if failure is not None}


def another(study: Path) -> None:
    """Other images in the place of the only patient's."""
    shutil.rmtree(study / "P000")
    write_good(study / "P000", 30)


# --- masks of nobody's run ----------------------------------------------------------------


@pytest.mark.parametrize("ending", ["seg.nii.gz", "report.json", "preview.png"])
def test_what_is_there_is_refused_every_time(ending: str, model: Path, tmp_path: Path) -> None:
    """A file that a run would replace is refused in the second run as in the first."""
    study, output = write_goods(tmp_path / "study", 1), tmp_path / "out"
    there = output / "P000" / f"P000_{ending}"
    mine = by_hand(there) if ending.endswith(".gz") else b"mine"
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(mine)
    segment = forced_on_cpu(model, preview=True)
    for retry in (False, False, True):
        settings = BatchSettings(segment=segment, retry_failed=retry)
        said = run_batch(study, output, settings)
        assert refused(said) == {"P000": "OutputExistsError"}
        assert there.read_bytes() == mine
    assert run_batch(study, output, BatchSettings(segment=segment, overwrite=True)).done == 1
    assert there.read_bytes() != mine


def test_a_mask_that_came_after_a_failure_stays(model: Path, tmp_path: Path) -> None:
    """A patient that failed has no mask of ours, so that one which lies there is not replaced."""
    study, output = write_goods(tmp_path / "study", 1), tmp_path / "out"
    flair = study / "P000" / "case_flair.nii.gz"
    flair.rename(tmp_path / "away.nii.gz")
    assert run_batch(study, output, batch_on_cpu(model)).exit_code == 9
    mine = by_hand(mask_of(output))
    (tmp_path / "away.nii.gz").rename(flair)
    for _ in range(2):
        said = run_batch(study, output, batch_on_cpu(model, retry_failed=True))
        assert refused(said) == {"P000": "OutputExistsError"}
        assert mask_of(output).read_bytes() == mine
    mask_of(output).unlink()
    assert run_batch(study, output, batch_on_cpu(model)).done == 1


def stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run be interrupted before anybody is done."""

    def interrupt(*_: Any, **__: Any) -> Iterator[Record]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(workflow, "run_in_workers", interrupt)


def test_our_own_mask_is_replaced_after_an_interruption(
    done: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was to do a patient again and was stopped leaves the next one its right to."""
    study, output = done
    before = mask_of(output).read_bytes()
    another(study)
    with monkeypatch.context() as stopped:
        stop(stopped)
        with pytest.raises(InterruptedRunError):
            run_batch(study, output, batch_on_cpu(model))
    record = read_ledger(output).records["P000"]
    assert record.state == PENDING
    assert record.results
    assert run_batch(study, output, batch_on_cpu(model)).done == 1
    assert mask_of(output).read_bytes() != before


def test_our_own_mask_is_replaced_after_a_failure(done: tuple[Path, Path], model: Path) -> None:
    """Whoever was done, failed with other images, and is well again, is done again."""
    study, output = done
    before = mask_of(output).read_bytes()
    another(study)
    image = study / "P000" / "case_t2.nii.gz"
    whole = image.read_bytes()
    for spoiled in (b"", None):
        image.unlink() if spoiled is None else image.write_bytes(spoiled)
        assert run_batch(study, output, batch_on_cpu(model)).exit_code == 9
        assert mask_of(output).read_bytes() == before
    image.write_bytes(whole)
    assert run_batch(study, output, batch_on_cpu(model)).done == 1
    assert mask_of(output).read_bytes() != before


def test_an_image_that_was_away_is_no_reason_to_work(
    done: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result is good again, without being made again, as soon as its images are back."""
    study, output = done
    image, away = study / "P000" / "case_t2.nii.gz", study.parent / "away"
    image.rename(away)
    assert run_batch(study, output, batch_on_cpu(model)).exit_code == 9
    away.rename(image)
    no_worker(monkeypatch)
    again = run_batch(study, output, batch_on_cpu(model))
    assert (again.done, again.before) == (1, 1)
    table = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert table["patients"][0]["WT_ml"] > 0


def without_the_last_line(output: Path) -> None:
    """Let the ledger be that of a run that was killed before its patient's line was written."""
    ledger = max((output / FOLDER).glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:-1]))
    assert read_ledger(output).records["P000"].state == PENDING


def test_a_mask_of_a_run_that_was_killed_is_made_again(
    done: tuple[Path, Path], model: Path
) -> None:
    """Between mask and ledger, a whole mask beside its report is ours, and is made again."""
    study, output = done
    without_the_last_line(output)
    said = run_batch(study, output, batch_on_cpu(model))
    assert (said.done, said.before) == (1, 0)


@pytest.mark.parametrize("beside", ["a report of ours", "somebody's report", "nothing"])
def test_somebody_s_mask_after_an_interruption_stays(
    beside: str, done: tuple[Path, Path], model: Path
) -> None:
    """A mask that was put there after a run was killed is not taken for one that it left."""
    study, output = done
    without_the_last_line(output)
    report = output / "P000" / "P000_report.json"
    if beside == "nothing":
        report.unlink()
    elif beside == "somebody's report":
        report.write_text("{}")
    mine = by_hand(mask_of(output))
    assert refused(run_batch(study, output, batch_on_cpu(model))) == {"P000": "OutputExistsError"}
    assert mask_of(output).read_bytes() == mine


# --- masks that were changed --------------------------------------------------------------


def test_a_corrected_mask_stays(
    done: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask that somebody worked on is refused, whatever happens to the images, until asked."""
    study, output = done
    original = mask_of(output)
    kept = original.with_name("kept")
    shutil.copy2(original, kept)
    mine = by_hand(original)
    for _ in range(2):
        said = run_batch(study, output, batch_on_cpu(model, retry_failed=True))
        assert refused(said) == {"P000": "MaskChangedError"}
        assert original.read_bytes() == mine
    (failure,) = (record.failure for record in said.failed)
    assert failure is not None
    assert failure.message == "P000_seg.nii.gz was changed since it was written."
    assert "--overwrite" in failure.hint
    assert "-o" in failure.hint
    with monkeypatch.context() as idle:
        no_worker(idle)
        shutil.copy2(kept, original)
        assert run_batch(study, output, batch_on_cpu(model)).done == 1
    original.write_bytes(mine)
    another(study)
    assert refused(run_batch(study, output, batch_on_cpu(model))) == {"P000": "MaskChangedError"}
    assert original.read_bytes() == mine
    assert run_batch(study, output, batch_on_cpu(model, overwrite=True)).done == 1
    assert original.read_bytes() != mine


def test_a_run_that_was_killed_after_a_second_mask_goes_on(
    done: tuple[Path, Path], model: Path
) -> None:
    """A newer mask beside its newer report is of the run that was killed, unless it was changed."""
    study, output = done
    another(study)
    assert run_batch(study, output, batch_on_cpu(model)).done == 1
    without_the_last_line(output)
    made = mask_of(output).read_bytes()
    assert run_batch(study, output, batch_on_cpu(model)).done == 1
    assert mask_of(output).read_bytes() == made
    without_the_last_line(output)
    by_hand(mask_of(output))
    assert refused(run_batch(study, output, batch_on_cpu(model))) == {"P000": "MaskChangedError"}


def test_a_patient_who_fails_blocks_no_other_settings(done: tuple[Path, Path], model: Path) -> None:
    """After `overwrite` with other settings nobody counts as done with the earlier ones."""
    study, output = done
    write_good(study / "P001", 40)
    (study / "P000" / "case_flair.nii.gz").unlink()
    other = forced_on_cpu(model, labels="brats2023")
    for overwrite in (True, False):
        said = run_batch(study, output, BatchSettings(segment=other, overwrite=overwrite))
        assert (said.done, len(said.failed)) == (1, 1)


def test_a_refused_result_keeps_its_settings(done: tuple[Path, Path], model: Path) -> None:
    """Results of other settings are not replaced because their mask was changed meanwhile."""
    study, output = done
    by_hand(mask_of(output))
    run_batch(study, output, batch_on_cpu(model))
    other = BatchSettings(segment=forced_on_cpu(model, labels="brats2023"))
    with pytest.raises(OtherSettingsError):
        run_batch(study, output, other)


def test_a_mask_of_other_content_is_somebody_s(done: tuple[Path, Path], model: Path) -> None:
    """Probabilities, or four volumes, in the place of the mask are an image, and stay."""
    study, output = done
    data = np.full((*phantom().grid.shape, 2), 0.5, np.float32)
    nib.save(nib.Nifti1Image(data, AFFINE), mask_of(output))
    assert refused(run_batch(study, output, batch_on_cpu(model))) == {"P000": "MaskChangedError"}
    assert voxels(mask_of(output)).shape == data.shape


# --- two studies --------------------------------------------------------------------------


def test_another_study_s_patient_of_the_same_name_stays(
    done: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two studies that share an output folder and a name do not replace each other's results."""
    study, output = done
    other = study.with_name("other")
    write_good(other / "P000", 20)
    write_good(other / "P111", 21)
    before = tree(output / "P000")
    for _ in range(2):
        said = run_batch(other, output, batch_on_cpu(model))
        assert refused(said) == {"P000": "OtherStudyError"}
        assert said.exit_code == 8
        assert tree(output / "P000") == before
    rows = json.loads((output / "summary.json").read_text(encoding="utf-8"))["patients"]
    assert [("WT_ml" in row, row["state"]) for row in rows] == [(False, FAILED), (True, DONE)]
    with monkeypatch.context() as idle:
        no_worker(idle)
        again = run_batch(study, output, batch_on_cpu(model))
        assert (again.exit_code, again.before) == (0, 1)
    assert run_batch(other, output, batch_on_cpu(model, overwrite=True)).done == 2
    assert tree(output / "P000") != before


def test_where_no_mask_is_left_another_study_is_done(done: tuple[Path, Path], model: Path) -> None:
    """A name is free again as soon as its mask was taken away."""
    study, output = done
    write_good(study.with_name("other") / "P000", 20)
    mask_of(output).unlink()
    assert run_batch(study.with_name("other"), output, batch_on_cpu(model)).done == 1


# --- what is removed ----------------------------------------------------------------------


def test_only_results_of_ours_are_removed(model: Path, tmp_path: Path) -> None:
    """Done again, a patient loses what a run wrote and does not write now, and nothing else."""
    study, output = write_goods(tmp_path / "study", 1), tmp_path / "out"
    run_batch(study, output, BatchSettings(segment=forced_on_cpu(model, preview=True)))
    preview, expert = (output / "P000" / f"P000_{ending}" for ending in ("preview.png", "seg.dcm"))
    expert.write_bytes(b"mine")
    another(study)
    run_batch(study, output, BatchSettings(segment=forced_on_cpu(model, preview=True)))
    assert expert.read_bytes() == b"mine"
    run_batch(study, output, batch_on_cpu(model, overwrite=True))
    assert not preview.exists()


# --- tables -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["summary.json", "summary.csv", "summary.html", "failures.csv"])
def test_tables_of_something_else_stay(name: str, model: Path, tmp_path: Path) -> None:
    """Where no batch has run, a file that is called as its tables is refused before all work."""
    study, output = write_goods(tmp_path / "study", 1), tmp_path / "out"
    output.mkdir()
    (output / name).write_text("mine")
    with pytest.raises(OutputExistsError, match=f"{name} exists already") as said:
        run_batch(study, output, batch_on_cpu(model))
    assert said.value.exit_code == 7
    assert tree(output) == {name: b"mine"}
    run_batch(study, output, batch_on_cpu(model, overwrite=True))
    assert (output / name).read_text(encoding="utf-8") != "mine"
    assert run_batch(study, output, batch_on_cpu(model)).before == 1


def test_a_part_without_patients_does_not_disturb(model: Path, tmp_path: Path) -> None:
    """Tables of a part that had nobody to do are those of a run like any other."""
    study, output = write_goods(tmp_path / "study", 1), tmp_path / "out"
    for part in (1, 1, 0):
        settings = batch_on_cpu(model, num_parts=2, part_id=part)
        assert run_batch(study, output, settings).exit_code == 0
    assert mask_of(output).is_file()
