"""The training loop: draw crops, step, average, validate, keep the best."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from latup_cli.errors import DivergedError, NothingToTrainOnError
from latup_cli.training import checkpoint
from latup_cli.training.checkpoint import RunState
from latup_cli.training.crops import Crops, batches
from latup_cli.training.hardware import Place
from latup_cli.training.loss import RegionLoss
from latup_cli.training.mix import Sample
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.schedule import learning_rate
from latup_cli.training.settings import TrainSettings

FALSE_ET = "false ET mL"

Validate = Callable[[LatupNet], Mapping[str, float]]
"""The averaged network to mean Dice by region, and `FALSE_ET` where it could be measured."""

_DICE_PER_ML = 0.02

_AVERAGE_WARMUP = 10.0
_ON_CPU = Place("cpu", "float32")


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's news, for a progress bar and the log.

    Attributes:
        step: Steps done, this one included.
        loss: Of this step.
        rate: Learning rate of this step.
        seconds: From the end of the step before, validation and checkpoint included.
        waited_s: Of these, waiting for data.
        measured: What validation gave, if this step was followed by one; see `Validate`.
    """

    step: int
    loss: float
    rate: float
    seconds: float
    waited_s: float
    measured: Mapping[str, float]


@dataclass(slots=True)
class _Trainer:
    """One process of a run."""

    state: RunState
    settings: TrainSettings
    place: Place
    module: torch.nn.Module = field(init=False)
    loss_of: RegionLoss = field(init=False)

    def __post_init__(self) -> None:
        self.loss_of = RegionLoss(self.settings.cross_entropy_weight)
        self.module = self.state.network
        if self.place.of > 1:
            self.module = DistributedDataParallel(self.state.network)

    def step(self, sample: Sample, rate: float) -> float:
        """Learn from one batch; the loss before learning, averaged over processes."""
        settings, state = self.settings, self.state
        torch.manual_seed(settings.seed * 1_000_003 + state.step)  # for dropout
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.network.train()
        image, target = self._here(sample)
        with self.place.autocast():
            logits = self.module(image)
        loss = self.loss_of(logits, target)
        shown = self._mean(loss.detach())
        if not math.isfinite(shown):
            raise DivergedError(state.step)
        state.optimizer.zero_grad()
        state.scaler.scale(loss).backward()
        state.scaler.unscale_(state.optimizer)
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip_norm)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        _average(state, settings.ema_decay)
        return shown

    def _here(self, sample: Sample) -> Sample:
        image, target = (part.to(self.place.device, non_blocking=True) for part in sample)
        return image.contiguous(memory_format=torch.channels_last_3d), target

    def _mean(self, loss: torch.Tensor) -> float:
        if self.place.of > 1:
            torch.distributed.all_reduce(loss)
            loss = loss / self.place.of
        return float(loss)


def new_run(
    settings: TrainSettings, initial: LatupNet | None = None, place: Place = _ON_CPU
) -> RunState:
    """Fresh weights by the settings' seed, or those of `initial`, and an optimizer."""
    torch.manual_seed(settings.seed)
    network = LatupNet(NetworkConfig.from_settings(settings.as_dict()))
    if initial is not None:
        network.load_state_dict(initial.state_dict())
    network = network.to(place.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
    scaler = torch.amp.GradScaler(place.kind, enabled=place.precision == "float16")
    return RunState(network, copy.deepcopy(network), optimizer, scaler)


def train(
    state: RunState,
    crops: Crops,
    validate: Validate,
    run_dir: Path,
    *,
    place: Place = _ON_CPU,
) -> Generator[Progress]:
    """Go on from `state` to the last step, yielding after each.

    The first process writes `last.pt` every few minutes and at the end, the averaged weights at
    every validation to `validated/`, and to `best.pt` those of the highest `score`. Closing the
    iterator early leaves a checkpoint.

    Raises:
        NothingToTrainOnError: If there are no cases.
        DivergedError: If the loss is not a number; the last checkpoint is intact.
        OutputError: If a checkpoint cannot be written.
    """
    settings = crops.settings
    if not crops.cases:
        raise NothingToTrainOnError("There is no case to train on.")
    trainer = _Trainer(state, settings, place)
    saved_at = started = time.monotonic()
    for sample in batches(crops, state.step, place):
        waited = time.monotonic() - started
        rate = learning_rate(state.step, settings)
        loss = trainer.step(sample, rate)
        state.step += 1
        due = state.step % settings.validate_every == 0 or state.step == settings.steps
        measured = _keep_best(state, validate, run_dir) if due and place.is_first else {}
        late = time.monotonic() - saved_at > 60.0 * settings.checkpoint_minutes
        state.seconds += time.monotonic() - started
        if place.is_first and (due or late):
            checkpoint.save(run_dir / "last.pt", state, settings)
            saved_at = time.monotonic()
        try:
            yield Progress(state.step, loss, rate, time.monotonic() - started, waited, measured)
        except GeneratorExit:
            if place.is_first:
                checkpoint.save(run_dir / "last.pt", state, settings)
            raise
        started = time.monotonic()


@torch.no_grad()
def _average(state: RunState, decay: float) -> None:
    """Follow the weights, quickly at first: min(decay, (1 + t) / (10 + t)) at step t."""
    keep = min(decay, (1.0 + state.step) / (_AVERAGE_WARMUP + state.step))
    pairs = zip(state.average.parameters(), state.network.parameters(), strict=True)
    for slow, fast in pairs:
        slow.lerp_(fast, 1.0 - keep)


def _keep_best(state: RunState, validate: Validate, run_dir: Path) -> Mapping[str, float]:
    measured = validate(state.average)
    checkpoint.save_weights(run_dir / "validated" / f"{state.step:06}.pt", state.average)
    reached = score(measured)
    if reached > state.best_score:
        state.best_score, state.best_measured = reached, dict(measured)
        checkpoint.save_weights(run_dir / "best.pt", state.average)
    return measured


def score(measured: Mapping[str, float]) -> float:
    """What validation maximizes: mean Dice over the regions, less 0.02 for each mL of false ET.

    Dice alone would not see enhancing tumor that is found in patients who have none.
    """
    dice = [value for name, value in measured.items() if name != FALSE_ET]
    return sum(dice) / max(1, len(dice)) - _DICE_PER_ML * measured.get(FALSE_ET, 0.0)
