"""The training loop: draw crops, step, average, validate, keep the best."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latup_cli.errors import DivergedError, NothingToTrainOnError
from latup_cli.training import checkpoint
from latup_cli.training.augment import augmentation, draw
from latup_cli.training.cases import TrainingCase
from latup_cli.training.checkpoint import RunState
from latup_cli.training.loss import RegionLoss
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.schedule import learning_rate
from latup_cli.training.settings import TrainSettings

Validate = Callable[[LatupNet], Mapping[str, float]]
"""The averaged network to mean Dice by region; the mean of the values is what is maximized."""

_AVERAGE_WARMUP = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's news, for a progress bar and the log."""

    step: int
    loss: float
    rate: float
    seconds: float
    waited_s: float
    measured: Mapping[str, float]


def new_run(settings: TrainSettings, initial: LatupNet | None = None) -> RunState:
    """Fresh weights by the settings' seed, or those of `initial`, and an optimizer."""
    torch.manual_seed(settings.seed)
    config = NetworkConfig(filters=settings.filters, dropout=settings.dropout)
    network = LatupNet(config)
    if initial is not None:
        network.load_state_dict(initial.state_dict())
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
    return RunState(network, copy.deepcopy(network), optimizer)


def train(
    state: RunState,
    settings: TrainSettings,
    cases: Sequence[TrainingCase],
    validate: Validate,
    run_dir: Path,
) -> Iterator[Progress]:
    """Go on from `state` to the last step, yielding after each.

    Writes `last.pt` every few minutes and at the end, `best.pt` when validation improves,
    and a line per step to `log.csv`. Closing the iterator early leaves a checkpoint.

    Raises:
        NothingToTrainOnError: If there are no cases.
        DivergedError: If the loss is not a number; the last checkpoint is intact.
        OutputError: If a checkpoint cannot be written.
    """
    if not cases:
        raise NothingToTrainOnError("There is no case to train on.")
    loss_of = RegionLoss(settings.cross_entropy_weight)
    transform = augmentation(settings)
    saved_at = time.monotonic()
    while state.step < settings.steps:
        started = time.monotonic()
        image, target = _batch(cases, transform, settings, state.step)
        waited = time.monotonic() - started
        rate = learning_rate(state.step, settings)
        loss = _step(state, settings, loss_of, image, target, rate)
        state.step += 1
        state.seconds += time.monotonic() - started
        due = state.step % settings.validate_every == 0 or state.step == settings.steps
        measured = _keep_best(state, validate(state.average), run_dir) if due else {}
        if due or time.monotonic() - saved_at > 60.0 * settings.checkpoint_minutes:
            checkpoint.save(run_dir / "last.pt", state, settings)
            saved_at = time.monotonic()
        progress = Progress(state.step, loss, rate, time.monotonic() - started, waited, measured)
        _log(run_dir / "log.csv", progress)
        try:
            yield progress
        except GeneratorExit:
            checkpoint.save(run_dir / "last.pt", state, settings)
            raise


def _batch(
    cases: Sequence[TrainingCase], transform: object, settings: TrainSettings, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of a step, fixed by seed and step alone, so that a resumed run repeats them."""
    samples = []
    for member in range(settings.batch_size):
        index = step * settings.batch_size + member
        epoch, position = divmod(index, len(cases))
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(cases))
        seed = int(np.random.default_rng([settings.seed, 1, index]).integers(2**31))
        samples.append(draw(cases[order[position]], transform, seed))  # type: ignore[arg-type]
    image, target = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return image.contiguous(memory_format=torch.channels_last_3d), target


def _step(
    state: RunState,
    settings: TrainSettings,
    loss_of: RegionLoss,
    image: torch.Tensor,
    target: torch.Tensor,
    rate: float,
) -> float:
    torch.manual_seed(settings.seed * 1_000_003 + state.step)  # for dropout
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.network.train()
    loss = loss_of(state.network(image), target)
    if not math.isfinite(loss.item()):
        raise DivergedError(state.step)
    state.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip_norm)
    state.optimizer.step()
    _average(state, settings.ema_decay)
    return float(loss.item())


@torch.no_grad()
def _average(state: RunState, decay: float) -> None:
    """Follow the weights, quickly at first: min(decay, (1 + t) / (10 + t)) at step t."""
    keep = min(decay, (1.0 + state.step) / (_AVERAGE_WARMUP + state.step))
    pairs = zip(state.average.parameters(), state.network.parameters(), strict=True)
    for slow, fast in pairs:
        slow.lerp_(fast, 1.0 - keep)


def _keep_best(
    state: RunState, measured: Mapping[str, float], run_dir: Path
) -> Mapping[str, float]:
    score = sum(measured.values()) / max(1, len(measured))
    if score > state.best_score:
        state.best_score, state.best_measured = score, dict(measured)
        checkpoint.save_weights(run_dir / "best.pt", state.average)
    return measured


def _log(path: Path, progress: Progress) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "learning_rate", "seconds", "waited_s", "validation"])
        scores = " ".join(f"{name}={value:.4f}" for name, value in progress.measured.items())
        row = [progress.step, f"{progress.loss:.5f}", f"{progress.rate:.3e}"]
        writer.writerow([*row, f"{progress.seconds:.3f}", f"{progress.waited_s:.3f}", scores])
