"""`latup train` as a group with a few labeled patients meets it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from latup_cli.cli.app import app
from latup_cli.config import weights_root
from latup_cli.errors import PreparationInterruptedError
from latup_cli.training.lesions import Lesions
from latup_cli.training.settings import TrainSettings
from latup_cli.training.simulate import Shapes
from latup_cli.workflows.train import train_model
from latup_cli.workflows.train_data import Preparing, TrainingData
from latup_cli.workflows.train_request import TrainRequest
from tests.fixtures.labeled import SETTINGS, write_patient, write_patients
from tests.fixtures.phantoms import phantom, save, tree, voxels

ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ONE_ENDS = """
import os, signal, sys, threading, time
from pathlib import Path
from latup_cli.__main__ import main

def signal_to_itself():
    while not Path(sys.argv[4], "last.pt").exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)

why = sys.argv.pop(1)
if (why, os.environ["RANK"]) == ("time", "0"):
    sys.argv += ["--time-limit", "0"]
if (why, os.environ["RANK"]) == ("signal", "1"):
    threading.Thread(target=signal_to_itself, daemon=True).start()
main()
"""
SOURCES = {
    "simulate_probability": "shapes",
    "lesion_probability": "lesions",
    "teacher_share": "teacher",
}


def written(path: Path, settings: TrainSettings) -> Path:
    """Settings as a file."""
    path.write_text(settings.to_toml(), encoding="utf-8")
    return path


def latup(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


def losses(run: Path) -> list[float]:
    """Of every step, from the log."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five labeled patients."""
    return write_patients(tmp_path_factory.mktemp("patients"), 5)


@pytest.fixture(scope="module")
def run(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run on four of them."""
    folder = tmp_path_factory.mktemp("run")
    config = written(folder / "config.toml", SETTINGS)
    code, out, err = latup("train", patients, "-o", folder / "run", "--config", config)
    assert code == 0, err
    assert out.strip() == str(folder / "run" / "model")
    assert err.splitlines()[:2] == ["Checking patients: 1 of 1", "Preparing patients: 4 of 4"]
    return folder / "run"


def test_from_five_patients_to_a_mask_of_a_sixth(run: Path, tmp_path: Path) -> None:
    """What training made is taken by `latup segment --weights` at once."""
    sixth = write_patient(tmp_path / "new", 6)
    words = ["--weights", run / "model", "-o", tmp_path / "out", "--force"]
    code, _, err = latup("segment", sixth, *words)
    assert code == 0, err
    mask = voxels(tmp_path / "out" / f"{sixth.name}_seg.nii.gz")
    assert mask.shape == phantom().grid.shape
    assert set(np.unique(mask)) <= {0, 1, 2, 4}


def test_the_model_directory_tells_how_it_was_made(run: Path) -> None:
    """Card, settings, log, curves, source model and figures lie beside the graph."""
    model = run / "model"
    names = {
        "model.onnx",
        "model.json",
        "model.pt",
        "card.md",
        "train.toml",
        "log.csv",
        "curves.png",
    }
    assert {path.name for path in model.iterdir()} == names
    spec = json.loads((model / "model.json").read_text(encoding="utf-8"))
    assert spec["measured"]["cases"] == 1
    assert 0.0 <= spec["measured"]["dice"]["WT"] <= 1.0
    card = (model / "card.md").read_text(encoding="utf-8")
    assert spec["sha256"] in card
    assert "BraTS-GLI-0000" in card
    assert TrainSettings.from_toml(model / "train.toml") == SETTINGS


def test_a_second_call_finds_the_run_finished(run: Path, patients: Path) -> None:
    """Nothing is trained twice, and prepared patients are taken from the cache."""
    before = losses(run)
    stored = {path: path.stat().st_mtime_ns for path in (run / "prepared").rglob("*.npy")}
    config = run / "train.toml"
    code, _, err = latup("train", patients, "-o", run, "--config", config)
    assert code == 0, err
    assert losses(run) == before
    assert {path: path.stat().st_mtime_ns for path in (run / "prepared").rglob("*.npy")} == stored


def test_another_fold_does_not_go_on(patients: Path, tmp_path: Path) -> None:
    """Who was trained on is never measured on: exit code 12, and everything stays as it was."""
    config = written(tmp_path / "config.toml", SETTINGS)
    words = ("train", patients, "-o", tmp_path / "run", "--config", config, "--folds", 5)
    code, _, err = latup(*words, "--fold", 0, "--time-limit", 0)
    assert code == 0, err
    before = tree(tmp_path / "run")
    for more in ((), ("--check-only",)):
        code, _, err = latup(*words, "--fold", 1, *more)
        assert code == 12
        assert "last.pt is of a run that divided the patients otherwise: BraTS-GLI-0000" in err
        assert "Hint: Give the folders, --val, --val-share, --folds, --fold" in err
        assert tree(tmp_path / "run") == before
    code, _, err = latup(*words, "--fold", 0)
    assert code == 0, err
    assert len(losses(tmp_path / "run")) == SETTINGS.steps


def test_refused_settings_are_not_written(run: Path, patients: Path, tmp_path: Path) -> None:
    """Going on with another network ends with exit code 12, and the run's settings stay."""
    before = tree(run)
    wider = written(tmp_path / "config.toml", replace(SETTINGS, filters=8, spacing_mm=3.0))
    code, _, err = latup("train", patients, "-o", run, "--config", wider)
    assert code == 12
    assert "filters (4, 8, 16), not (8, 16, 32)" in err
    assert tree(run) == before  # nobody was prepared at 3 mm either


def test_a_run_goes_on_with_its_own_settings(patients: Path, tmp_path: Path) -> None:
    """Without --config they are taken from the run's directory, which is said; options win."""
    config = written(tmp_path / "config.toml", SETTINGS)
    words = ("train", patients, "-o", tmp_path / "run")
    code, _, err = latup(*words, "--config", config, "--time-limit", 0)
    assert code == 0, err
    code, _, err = latup(*words)
    assert code == 0, err
    own = tmp_path / "run" / "train.toml"
    assert f"There is no --config: the run goes on with the settings in {own}." in err
    assert len(losses(tmp_path / "run")) == SETTINGS.steps
    assert TrainSettings.from_toml(own) == SETTINGS
    code, _, err = latup(*words, "--quiet", "--attention", "eca")
    assert code == 12
    assert "attention se, not eca" in err
    assert "There is no --config" not in err


def test_a_killed_run_ends_as_an_undisturbed_one(run: Path, patients: Path, tmp_path: Path) -> None:
    """Kill -9 after some steps, start again, and the weights are the same to the bit."""
    hasty = replace(SETTINGS, checkpoint_minutes=0.0)
    config = written(tmp_path / "config.toml", hasty)
    words = ["train", str(patients), "-o", str(tmp_path / "run"), "--config", str(config)]
    command = [sys.executable, "-m", "latup_cli", *words]
    process = subprocess.Popen(
        command, env=ALONE, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _checkpointed(tmp_path / "run")
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    process.wait()
    subprocess.run(command, env=ALONE, check=True, capture_output=True)
    undisturbed = tmp_path / "undisturbed"
    words[words.index("-o") + 1] = str(undisturbed)
    subprocess.run(
        [sys.executable, "-m", "latup_cli", *words], env=ALONE, check=True, capture_output=True
    )
    ends = [torch.load(folder / "last.pt") for folder in (tmp_path / "run", undisturbed)]
    assert ends[0]["step"] == ends[1]["step"] == hasty.steps
    for part in ("network", "average"):
        for name, value in ends[0][part].items():
            assert torch.equal(value, ends[1][part][name]), name


def _checkpointed(run: Path) -> None:
    deadline = time.monotonic() + 300
    while not (run / "last.pt").exists():
        assert time.monotonic() < deadline, "there is no checkpoint"
        time.sleep(0.02)


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGTERM")
def test_a_run_is_alone_in_its_directory_and_ends_cleanly_when_asked(
    patients: Path, tmp_path: Path
) -> None:
    """A second run is refused with exit code 7; SIGTERM leaves a checkpoint and exit code 130."""
    endless = replace(SETTINGS, checkpoint_minutes=0.0, steps=100_000, validate_every=100_000)
    config, run = written(tmp_path / "config.toml", endless), tmp_path / "run"
    words = ["train", str(patients), "-o", str(run), "--config", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-m", "latup_cli", *words], env=ALONE, stderr=subprocess.PIPE, text=True
    )
    try:
        _checkpointed(run)
        code, _, err = latup(*words)
        assert code == 7
        assert f"process {process.pid}" in err
        assert "Traceback" not in err
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    step = torch.load(run / "last.pt")["step"]
    assert f"Interrupted after step {step} of 100000" in said
    assert len(losses(run)) == step
    assert not (run / "train.lock").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_preparing_ends_cleanly_when_asked(
    number: signal.Signals, patients: Path, tmp_path: Path
) -> None:
    """Ctrl-C and SIGTERM before the first step: patients that are prepared are kept."""
    told: list[Preparing] = []

    def interrupted_after_two(news: Preparing) -> None:
        told.append(news)
        if (news.stage, news.done) == ("prepare", 2):
            signal.raise_signal(number)

    request = TrainRequest(
        data=TrainingData(folders=[patients]), settings=SETTINGS, run_dir=tmp_path / "run"
    )
    with pytest.raises(PreparationInterruptedError) as caught:
        train_model(request, prepared=interrupted_after_two)
    assert caught.value.exit_code == 130
    assert told == [
        Preparing("check", 1, 1),
        Preparing("prepare", 1, 4),
        Preparing("prepare", 2, 4),
    ]
    assert len(list((tmp_path / "run" / "prepared").iterdir())) == 2
    assert not (tmp_path / "run" / "train.lock").exists()


def test_two_processes_train_as_one_with_twice_the_batch(patients: Path, tmp_path: Path) -> None:
    """With dropout off, torchrun on the CPU gives the losses of a single process."""
    calm = replace(SETTINGS, dropout=0.0, steps=3, batch_size=2, precision="float32")
    one = written(tmp_path / "one.toml", calm)
    two = written(tmp_path / "two.toml", replace(calm, batch_size=1))
    common = [str(patients), "--cache", str(tmp_path / "cache")]
    alone = [sys.executable, "-m", "latup_cli", "train", *common, "--config", str(one)]
    subprocess.run(
        [*alone, "-o", str(tmp_path / "one")], env=ALONE, check=True, capture_output=True
    )
    together = [*TORCHRUN, "-m", "latup_cli", "train", *common, "--config", str(two)]
    subprocess.run(
        [*together, "-o", str(tmp_path / "two")], env=ALONE, check=True, capture_output=True
    )
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGTERM")
@pytest.mark.parametrize("why", ["time", "signal"])
def test_two_processes_stop_together(why: str, patients: Path, tmp_path: Path) -> None:
    """Where the time of one is over, or one hears a signal, both end after the same step."""
    endless = replace(SETTINGS, checkpoint_minutes=0.0, steps=100_000, validate_every=100_000)
    config, run = written(tmp_path / "config.toml", endless), tmp_path / "run"
    script = tmp_path / "one_ends.py"
    script.write_text(ONE_ENDS, encoding="utf-8")
    words = [why, "train", str(patients), "-o", str(run), "--config", str(config)]
    done = subprocess.run(
        [*TORCHRUN, str(script), *words], env=ALONE, check=False, capture_output=True, text=True
    )
    step = torch.load(run / "last.pt")["step"]
    assert len(losses(run)) == step
    assert "mistake in latup" not in done.stderr
    if why == "time":
        assert (done.returncode, step) == (0, 1)
    else:
        assert f"Interrupted after step {step} of 100000" in done.stderr
        assert "exitcode  : 130" in done.stderr


def test_a_time_limit_stops_and_the_same_command_goes_on(patients: Path, tmp_path: Path) -> None:
    """A limit that is over at once leaves one step, a checkpoint and a model."""
    config = written(tmp_path / "config.toml", SETTINGS)
    words = ("train", patients, "-o", tmp_path / "run", "--config", config)
    code, _, err = latup(*words, "--time-limit", 0)
    assert code == 0, err
    assert "Stopped at step 1 of 6" in err
    assert (tmp_path / "run" / "model" / "model.onnx").is_file()
    code, _, err = latup(*words)
    assert code == 0, err
    assert len(losses(tmp_path / "run")) == SETTINGS.steps


def test_check_only_reads_everything_and_trains_nothing(patients: Path, tmp_path: Path) -> None:
    """Who is on which side, and the scheme of the labels, before an hour is spent."""
    words = ("train", patients, "-o", tmp_path / "run", "--check-only", "--folds", 5, "--fold", 2)
    code, out, _ = latup(*words)
    assert code == 0
    assert "4 patients to train on and 1 to choose weights by, labels in brats2023" in out
    assert not (tmp_path / "run").exists()


def _without(modality: str, folder: Path) -> None:
    next(folder.glob(f"*-{modality}.nii.gz")).unlink()


def _with_label(value: int, folder: Path) -> None:
    path = next(folder.glob("*-seg.nii.gz"))
    labels = voxels(path).copy()
    labels[20, 24, 18] = value
    save(path, labels, phantom().grid.ras_from_voxel)


def _shifted_labels(folder: Path) -> None:
    path = next(folder.glob("*-seg.nii.gz"))
    affine = phantom().grid.ras_from_voxel.copy()
    affine[0, 3] += 5
    save(path, voxels(path), affine)


BAD = {
    "a missing modality": (lambda folder: _without("t1c", folder), 3, "t1ce"),
    "no segmentation": (lambda folder: _without("seg", folder), 3, "has no segmentation"),
    "a label of no scheme": (lambda folder: _with_label(7, folder), 3, "7"),
    "labels beside the images": (_shifted_labels, 3, "does not lie on the grid"),
    "an empty file": (
        lambda folder: next(folder.glob("*-t2f.nii.gz")).write_bytes(b""),
        3,
        "t2f",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_patients_are_named_before_training(name: str, tmp_path: Path) -> None:
    """Exit code 3, the case and its problem, no traceback, nothing trained."""
    damage, expected, words = BAD[name]
    folder = write_patients(tmp_path / "patients", 3)
    damage(folder / "BraTS-GLI-00001-000")
    code, out, err = latup("train", folder, "-o", tmp_path / "run", "--check-only")
    assert code == expected
    assert words in err
    assert "BraTS-GLI-00001-000" in err
    assert "Hint:" in err
    assert "Traceback" not in err
    assert out == ""


def test_a_data_set_without_a_tumor_is_refused(tmp_path: Path) -> None:
    """Empty segmentations are no foreground to learn: exit code 12, before any step."""
    folder = write_patients(tmp_path / "patients", 3)
    for path in folder.rglob("*-seg.nii.gz"):
        save(path, np.zeros_like(voxels(path)), phantom().grid.ras_from_voxel)
    config = written(tmp_path / "config.toml", SETTINGS)
    code, _, err = latup("train", folder, "-o", tmp_path / "run", "--config", config)
    assert code == 12
    assert "tumor" in err
    assert not (tmp_path / "run" / "last.pt").exists()


def test_all_bad_patients_are_named_at_once(tmp_path: Path) -> None:
    """Who mends a data set mends it once."""
    folder = write_patients(tmp_path / "patients", 4)
    for number in (1, 3):
        _shifted_labels(folder / f"BraTS-GLI-{number:05}-000")
    code, _, err = latup("train", folder, "-o", tmp_path / "run", "--check-only")
    assert code == 3
    assert "2 cases cannot be used" in err
    assert "BraTS-GLI-00001-000" in err
    assert "BraTS-GLI-00003-000" in err


@pytest.mark.parametrize(
    ("words", "expected", "told"),
    [
        (("--val", "SAME"), 12, "both sides"),
        (("--folds", 9), 12, "fold"),
        (("--labels-in", "brats1999"), 2, "brats1999"),
        (("--device", "cuda"), 6, "cuda"),
        (("--config", "NOWHERE"), 3, "NOWHERE"),
        (("--init", "NOWHERE"), 12, "NOWHERE"),
        (("--shapes", "NOWHERE"), 3, "simulate_probability is 0"),
        (("--lesions", "NOWHERE"), 3, "lesion_probability is 0"),
        (("--attention", "foo", "--check-only"), 2, "no attention module 'foo'"),
        (("--teacher", "latup-net"), 3, "teacher_share is 0"),
        (("--teacher", "latup-net", "--check-only"), 3, "teacher_share is 0"),
        (("--appearances", "NOWHERE"), 3, "paint_probability is 0"),
    ],
)
def test_wrong_options_are_refused(
    words: tuple[object, ...], expected: int, told: str, patients: Path, tmp_path: Path
) -> None:
    """Each with its exit code and the thing by name."""
    if torch.cuda.is_available() and "cuda" in words:
        pytest.skip("there is a GPU")
    given = [patients if word == "SAME" else word for word in words]
    code, _, err = latup("train", patients, "-o", tmp_path / "run", *given)
    assert code == expected
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def _given(tmp_path: Path, patients: Path, words: tuple[str, ...]) -> tuple[object, ...]:
    """A command that draws from everything, with these words at last."""
    drawing = replace(
        SETTINGS, simulate_probability=0.1, lesion_probability=0.1, paint_probability=0.1
    )
    config = written(tmp_path / "config.toml", drawing)
    shape = np.ones((3, 3, 3), dtype=np.uint8)
    Shapes.of([shape]).save(tmp_path / "shapes.npz")
    cubes = np.ones((1, 4, 4, 4, 4), np.float16), np.ones((1, 3, 4, 4, 4), np.uint8)
    Lesions(*cubes, np.ones(3)).save(tmp_path / "lesions.npz")
    files = {name: tmp_path / f"{name}.npz" for name in ("shapes", "lesions")}
    files["latup-net-fast"] = weights_root() / "latup-net-fast" / "model.pt"
    given = ("--shapes", "shapes", "--lesions", "lesions", *words)
    paths = [files.get(word, word) for word in given]
    return ("train", patients, "-o", tmp_path / "run", "--config", config, *paths)


@pytest.mark.parametrize("more", [(), ("--check-only",)])
@pytest.mark.parametrize(
    ("words", "expected", "told"),
    [
        (("--init", "NOWHERE"), 12, "NOWHERE cannot be used"),
        (("--init", "shapes"), 12, "shapes.npz cannot be used"),
        (("--init", "latup-net-fast"), 12, "filters (8, 24, 32), not (4, 8, 16), fold 2, not 1"),
        (("--shapes", "NOWHERE"), 3, "NOWHERE is not there, or holds no shapes of tumors"),
        (("--shapes", "lesions"), 3, "lesions.npz is not there, or holds no shapes of tumors"),
        (("--lesions", "shapes"), 3, "shapes.npz is not there, or holds no lesions"),
        (("--appearances", "shapes"), 3, "shapes.npz is not there, or is no table"),
    ],
)
def test_what_does_not_fit_is_refused_before_patients_are_prepared(
    words: tuple[str, ...],
    expected: int,
    told: str,
    more: tuple[str, ...],
    patients: Path,
    tmp_path: Path,
) -> None:
    """Each with its exit code and what is wrong; nothing is checked, prepared or written."""
    code, out, err = latup(*_given(tmp_path, patients, words), *more)
    assert code == expected
    assert told in err
    assert "patients:" not in err
    assert out == ""
    assert not (tmp_path / "run").exists()


def test_what_fits_is_taken(patients: Path, tmp_path: Path) -> None:
    """Shapes and lesions together, and weights of the same network, pass the check."""
    code, out, err = latup(*_given(tmp_path, patients, ("--check-only",)))
    assert code == 0, err
    assert "all can be used" in out


def test_a_missing_teacher_is_found_by_the_check(patients: Path, tmp_path: Path) -> None:
    """Before patients are looked at, exit code 5."""
    config = written(tmp_path / "config.toml", replace(SETTINGS, teacher_share=0.5))
    words = ("--config", config, "--teacher", tmp_path / "nowhere", "--check-only")
    code, _, err = latup("train", patients, "-o", tmp_path / "run", *words)
    assert code == 5
    assert "patients:" not in err


@pytest.mark.parametrize("setting", ["simulate_probability", "lesion_probability", "teacher_share"])
def test_a_setting_without_its_source_is_refused(
    setting: str, patients: Path, tmp_path: Path
) -> None:
    """Exit code 3 before anything is read, and what to do about it."""
    config = written(tmp_path / "config.toml", replace(SETTINGS, **{setting: 0.5}))
    code, _, err = latup("train", patients, "-o", tmp_path / "run", "--config", config)
    assert code == 3
    assert f"Hint: Give --{SOURCES[setting]}, or set {setting} to 0." in err
    assert not (tmp_path / "run").exists()


def test_one_model_teaches_another(run: Path, patients: Path, tmp_path: Path) -> None:
    """Targets of a taught run lie between the expert's and the teacher's; a missing one is 5."""
    config = written(tmp_path / "config.toml", replace(SETTINGS, teacher_share=0.5))
    words = ("train", patients, "-o", tmp_path / "run", "--config", config)
    assert latup(*words, "--teacher", tmp_path / "nowhere")[0] == 5
    code, _, err = latup(*words, "--teacher", run / "model")
    assert code == 0, err
    taught, plain = (
        {path.parent.name: np.load(path) for path in folder.rglob("target.npy")}
        for folder in (tmp_path / "run", run)
    )
    assert len(taught) == len(plain) == 4
    assert not set(taught) & set(plain)  # neither takes the other's from a common cache
    unsure = [np.mean((target > 0) & (target < 255)) for target in taught.values()]
    assert min(unsure) > 0.5  # of a network of six steps
