"""`latup train`, in the order it happens: find and prepare patients, train, export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latup_cli.cohort.lock import held
from latup_cli.config import LesionChallenge
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import (
    NothingToTrainOnError,
    RunGoesOnError,
    TrainingGoesOnError,
    TrainingInterruptedError,
)
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.overlap import dice
from latup_cli.evaluation.score import score_case
from latup_cli.evaluation.summary import is_enough_et
from latup_cli.imaging.atomic import write_text
from latup_cli.inference.windows import Array, Predict
from latup_cli.labels import REGIONS
from latup_cli.training import checkpoint
from latup_cli.training.allocator import keep_freed_memory
from latup_cli.training.card import write_card
from latup_cli.training.checkpoint import RunState
from latup_cli.training.crops import Crops
from latup_cli.training.export import export_model, model_spec
from latup_cli.training.hardware import Place, choose_place, this_machine
from latup_cli.training.logs import logging_to
from latup_cli.training.loop import FALSE_ET, Progress, Validate, new_run, train
from latup_cli.training.network import LatupNet
from latup_cli.training.processes import highest, is_first, joined, local_rank
from latup_cli.training.settings import SETTINGS_FILE
from latup_cli.workflows.labeled import LabeledStudy, load_labeled
from latup_cli.workflows.predict import predict_prepared
from latup_cli.workflows.signals import interruptible
from latup_cli.workflows.train_card import card_facts, measured_means
from latup_cli.workflows.train_data import (
    Split,
    Told,
    check_patients,
    prepare_patients,
    split_patients,
)
from latup_cli.workflows.train_request import Sources, TrainRequest, load_teacher

_SECONDS_PER_HOUR = 3600.0
_GO_ON, _TIME, _SIGNAL = 0, 1, 2  # why a run ends before its last step; the highest counts
_ON_CPU = Place("cpu", "float32")


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run ended.

    Attributes:
        model: The exported model's directory, ready for `latup segment --weights`.
        steps: Steps done in all sessions of the run.
        finished: Whether these are all; if not, the same command goes on.
        measured: What validation gave for the exported weights.
    """

    model: Path
    steps: int
    finished: bool
    measured: Mapping[str, float]


def _silent(_news: object) -> None:
    """Tell nobody."""


def check_data(request: TrainRequest, *, prepared: Told = _silent) -> Split:
    """Read and prepare every patient, and read all else that is given, without training.

    Args:
        request: What would be trained on and how.
        prepared: Called after every patient.

    Raises:
        UnusedSourceError: If settings ask for what was not given, or the other way round (3).
        ModelError: If the teacher cannot be used (5).
        TrainingError: If a file that was given, or the run's checkpoint, does not fit (3, 12).
        LabeledDataError: Naming every case that cannot be used, and why.
    """
    sources = Sources.load(request)
    load_teacher(request)
    split = split_patients(request.data, request.settings.seed)
    _state(request, sources, split, _ON_CPU)
    check_patients(split, model_spec(request.settings), prepared)
    return split


def train_model(
    request: TrainRequest,
    *,
    prepared: Told = _silent,
    report: Callable[[Progress], None] = _silent,
) -> Trained:
    """Train on labeled patients, resuming where `run_dir` left off, and export the best.

    Under `torchrun`, every process calls this, and the first one validates and writes.

    Args:
        request: What to train on and how.
        prepared: Called after every patient that is checked or prepared.
        report: Called after every step.

    Raises:
        InputError: If patients cannot be used (exit code 3).
        UnusedSourceError: If settings ask for what was not given, or the other way round (3).
        ModelError: If the teacher cannot be used (5).
        DeviceError: If the device that was asked for cannot be used (6).
        OutputError: If a checkpoint cannot be written (10).
        TrainingGoesOnError: If another process trains in `run_dir` (7).
        PreparationInterruptedError: After Ctrl-C or SIGTERM before the first step (130).
        TrainingInterruptedError: After Ctrl-C or SIGTERM, with a checkpoint (130).
        CheckpointError: If the weights to start from, or the run's, are of another network, or
            the run's patients were divided otherwise (12).
        TrainingError: If there is nothing to train on, or the loss is not a number (12).
    """
    sources = Sources.load(request)
    split = split_patients(request.data, request.settings.seed)
    with _alone(request.run_dir):
        if not is_first():  # what several processes tell at once, nobody can read
            return _train(request, sources, split, _silent, _silent)
        return _train(request, sources, split, prepared, report)


@contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    """Two runs in one directory would each overwrite the other's checkpoints."""
    if not is_first():
        yield
        return
    there = run_dir.exists()
    try:
        with ExitStack() as until_the_end:
            try:
                until_the_end.enter_context(held(run_dir / "train.lock"))
            except RunGoesOnError as error:
                raise TrainingGoesOnError(run_dir, error.args[1]) from error
            yield
    finally:
        if not there:
            with suppress(OSError):  # something was written
                run_dir.rmdir()


def _train(
    request: TrainRequest,
    sources: Sources,
    split: Split,
    prepared: Told,
    report: Callable[[Progress], None],
) -> Trained:
    settings, run_dir = request.settings, request.run_dir
    keep_freed_memory()
    spec = model_spec(settings)
    place = choose_place(request.device, settings.precision, this_machine(), local_rank())
    _state(request, sources, split, _ON_CPU)  # refuses what does not fit, before hours of work
    if is_first():
        write_text(run_dir / SETTINGS_FILE, settings.to_toml())
    cache = request.cache or run_dir / "prepared"
    cases = prepare_patients(split, spec, cache, load_teacher(request), prepared)
    if not any(len(case.tumor_voxels) for case in cases):
        raise NothingToTrainOnError("No patient to train on has any tumor in its segmentation.")
    with joined(place) as here:
        state = _state(request, sources, split, here)
        crops = sources.crops(cases, settings)
        _run(request, state, crops, validator(split, spec, here), here, report)
    return _export(request, state, split, here)


def validator(split: Split, spec: ModelSpec, place: Place) -> Validate:
    """Mean Dice by region on native grids, with the windows that `segment` uses.

    ET counts where the reference has at least 1 mL of it: on the others, a voxel would decide.
    There, it is the mean volume that is found and not in the reference.
    """

    def validate(network: LatupNet) -> Mapping[str, float]:
        found: dict[str, list[float]] = {name: [] for name in (*REGIONS, FALSE_ET)}
        for study, predicted in _predictions(network, split, spec, place):
            for region in REGIONS:
                reference, ours = study.labels.region(region), predicted.region(region)
                if region != "ET" or is_enough_et(reference.volume_ml):
                    found[region].append(dice(ours.data, reference.data))
                else:
                    false = np.count_nonzero(ours.data & ~reference.data)
                    found[FALSE_ET].append(false * ours.grid.voxel_ml)
        return {name: float(np.mean(values)) for name, values in found.items() if values}

    return validate


def as_predictor(network: LatupNet, place: Place) -> Predict:
    """The PyTorch network as the callable that windows are run through."""

    def predict(window: Array) -> Array:
        with torch.inference_mode(), place.autocast():
            logits = network(torch.from_numpy(window).to(place.device))
        probabilities: Array = torch.softmax(logits.float(), dim=1).cpu().numpy()
        return probabilities

    return predict


def _predictions(
    network: LatupNet, split: Split, spec: ModelSpec, place: Place
) -> Iterator[tuple[LabeledStudy, LabelMap]]:
    """Each held-out study, prepared anew so that one at a time is in memory, and its labels."""
    network.eval()
    predict = as_predictor(network, place)
    for patient in split.validation:
        study = load_labeled(patient, spec, split.scheme)
        yield study, predict_prepared(study.prepared, spec, predict).labels


def _state(request: TrainRequest, sources: Sources, split: Split, place: Place) -> RunState:
    """Where the run's last checkpoint stands, or a new beginning."""
    state = new_run(request.settings, sources.initial, place)
    state.patients = split.names
    if request.checkpoint.exists():
        checkpoint.restore(request.checkpoint, state)
    return state


def _run(
    request: TrainRequest,
    state: RunState,
    crops: Crops,
    validate: Validate,
    place: Place,
    report: Callable[[Progress], None],
) -> None:
    """Train until the last step, the time limit or a signal; the first process keeps the log.

    All processes end after the same step, whichever of them the time or a signal ends.

    Raises:
        TrainingInterruptedError: After a signal, to whichever process.
    """
    started = time.monotonic()
    settings = request.settings
    steps = train(state, crops, validate, request.run_dir, place=place)
    log_of = logging_to(request.run_dir, state.step) if place.is_first else nullcontext(_silent)
    why = _GO_ON
    with log_of as log, interruptible(at_once=()) as stop:
        for progress in steps:
            log(progress)
            report(progress)
            hours = (time.monotonic() - started) / _SECONDS_PER_HOUR
            over = request.hours is not None and hours >= request.hours
            why = highest(_SIGNAL if stop.is_set() else _TIME if over else _GO_ON, place)
            if why != _GO_ON:
                steps.close()
        if why == _SIGNAL or stop.is_set():
            raise TrainingInterruptedError(state.step, settings.steps)


def _export(request: TrainRequest, state: RunState, split: Split, place: Place) -> Trained:
    """Export the best weights so far with their card; a run that was never validated is, now."""
    settings, run_dir = request.settings, request.run_dir
    directory, finished = run_dir / "model", state.step >= settings.steps
    if place.is_first:
        best = _best(run_dir, state)
        spec = model_spec(settings)
        scored = [
            score_case(study.name, labels, study.labels, RULES[LesionChallenge.GLI])
            for study, labels in _predictions(best, split, spec, _ON_CPU)
        ]
        measured = measured_means(scored)
        exported = export_model(best, settings, measured, directory)
        names = [patient.name for patient in split.training]
        facts = card_facts(settings, state, names, scored, exported)
        write_card(directory, facts, run_dir / "log.csv")
    return Trained(directory, state.step, finished, state.best_measured)


def _best(run_dir: Path, state: RunState) -> LatupNet:
    best = run_dir / "best.pt"
    return checkpoint.load_weights(best) if best.exists() else state.average.to("cpu")
