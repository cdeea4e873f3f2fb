"""`latup train`, in the order it happens: find and check cases, prepare, train, export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latup_cli.domain.grid import Shape
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import NothingToTrainOnError
from latup_cli.evaluation.overlap import dice
from latup_cli.imaging import nifti
from latup_cli.imaging.atomic import write_text
from latup_cli.inference.decode import decode, region_probabilities
from latup_cli.inference.windows import Array, predict_image
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.labels import REGIONS, SCHEMES, LabelScheme
from latup_cli.preprocess.prepare import prepare
from latup_cli.preprocess.reference import region_shares
from latup_cli.preprocess.restore import to_native, to_native_block
from latup_cli.training import checkpoint
from latup_cli.training.allocator import keep_freed_memory
from latup_cli.training.cases import TrainingCase
from latup_cli.training.export import export_model, model_spec
from latup_cli.training.loop import Progress, new_run, train
from latup_cli.training.network import LatupNet
from latup_cli.training.settings import TrainSettings

_VALIDATION_OVERLAP = 0.25
_LABELS = SCHEMES["brats2023"]  # the numbers of `Tissue`, in which the network is decoded


@dataclass(frozen=True, slots=True, eq=False)
class LabeledStudy:
    """A prepared study and its expert labels on the native grid."""

    name: str
    prepared: PreparedStudy
    labels: LabelMap


def patients(folders: Iterable[Path]) -> list[Path]:
    """The patient folders below some folders, each sorted by name."""
    return sorted(p for folder in folders for p in folder.iterdir() if p.is_dir())


def load_labeled(folder: Path, spec: ModelSpec, scheme: LabelScheme) -> LabeledStudy:
    """Read, check and prepare one patient with labels.

    Raises:
        InputError: If an image or the labels are missing or unusable.
    """
    files = find_study(folder)
    if files.segmentation is None:
        raise NothingToTrainOnError(f"{folder.name} has no segmentation.")
    study = load_study(files)
    labels = nifti.read_labels(files.segmentation.path).data.astype(np.uint8, copy=False)
    return LabeledStudy(files.name, prepare(study, spec), LabelMap(labels, study.grid, scheme))


def training_case(study: LabeledStudy) -> TrainingCase:
    """What the training loop keeps of a patient."""
    shares = region_shares(study.labels, study.prepared)
    target = np.rint(shares * 255.0).astype(np.uint8)
    return TrainingCase(study.name, study.prepared.image.astype(np.float16), target)


def validator(
    studies: Sequence[LabeledStudy], window: Shape
) -> Callable[[LatupNet], Mapping[str, float]]:
    """Mean Dice by region on native grids, with the windows that `segment` uses."""

    def validate(network: LatupNet) -> Mapping[str, float]:
        network.eval()
        scores = [_dice_by_region(network, study, window) for study in studies]
        return {name: float(np.mean([score[name] for score in scores])) for name in REGIONS}

    return validate


def _dice_by_region(network: LatupNet, study: LabeledStudy, window: Shape) -> dict[str, float]:
    def predict(crop: Array) -> Array:
        with torch.inference_mode():
            probabilities: Array = torch.softmax(network(torch.from_numpy(crop)), dim=1).numpy()
        return probabilities

    classes, _ = predict_image(
        study.prepared.image, predict, window, overlap=_VALIDATION_OVERLAP, classes=4
    )
    regions = to_native_block(region_probabilities(classes), study.prepared)
    block = decode(regions, study.prepared.brain.data)
    predicted = LabelMap(to_native(block, study.prepared), study.labels.grid, _LABELS)
    return {
        name: dice(predicted.region(name).data, study.labels.region(name).data) for name in REGIONS
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What to train on and what to choose weights by.

    Attributes:
        folders: Folders of patient folders.
        validation: The same, for choosing the best weights; never trained on.
        scheme: Numbers of the expert labels.
    """

    folders: Sequence[Path]
    validation: Sequence[Path]
    scheme: LabelScheme = SCHEMES["brats2021"]


def train_model(
    data: TrainingData,
    settings: TrainSettings,
    run_dir: Path,
    *,
    initial: Path | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train on labeled patients, resuming where `run_dir` left off, and export the best.

    Args:
        data: Labeled patients.
        settings: The run's settings.
        run_dir: Checkpoints and log; an earlier run there goes on.
        initial: A source model or checkpoint to start from.
        report: Called after every step.

    Returns:
        The model directory, ready for `latup segment --weights`.
    """
    keep_freed_memory()
    spec = model_spec(settings)
    write_text(run_dir / "train.toml", settings.to_toml())
    cases = [training_case(load_labeled(f, spec, data.scheme)) for f in patients(data.folders)]
    held_out = [load_labeled(f, spec, data.scheme) for f in patients(data.validation)]
    state = new_run(settings, checkpoint.load_weights(initial) if initial else None)
    if (run_dir / "last.pt").exists():
        checkpoint.restore(run_dir / "last.pt", state)
    validate = validator(held_out, settings.validation_window)
    for progress in train(state, settings, cases, validate, run_dir):
        report(progress)
    best = checkpoint.load_weights(run_dir / "best.pt")
    return export_model(best, settings, state.best_measured, run_dir / "model")
