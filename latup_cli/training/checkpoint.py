"""Save and restore a run whole, so that a kill at any moment loses minutes and no exactness."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.amp import GradScaler

from latup_cli.errors import CheckpointError, OtherNetworkError, OtherSplitError
from latup_cli.imaging.atomic import replacing
from latup_cli.training.network import LatupNet, NetworkConfig
from latup_cli.training.settings import TrainSettings

_FORMAT = 1


@dataclass(slots=True)
class RunState:
    """Everything that changes while a run goes on.

    Attributes:
        network: Under training.
        average: Moving average of its weights.
        optimizer: With its moments.
        scaler: Of the loss, so that gradients do not vanish in float16; disabled elsewhere.
        step: Steps done.
        seconds: Training time so far.
        best_score: Highest mean validation Dice so far.
        best_measured: What validation gave there.
        patients: "training" and "validation" to names of studies; empty if nobody knows.
    """

    network: LatupNet
    average: LatupNet
    optimizer: torch.optim.Optimizer
    scaler: GradScaler = field(default_factory=lambda: GradScaler(enabled=False))
    step: int = 0
    seconds: float = 0.0
    best_score: float = -1.0
    best_measured: dict[str, float] = field(default_factory=dict)
    patients: dict[str, list[str]] = field(default_factory=dict)


def save(path: Path, state: RunState, settings: TrainSettings) -> None:
    """Write a checkpoint atomically.

    Raises:
        OutputError: If the disk is full or read-only; the earlier checkpoint is intact.
    """
    content = {
        "format": _FORMAT,
        "settings": settings.as_dict(),
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "scaler": state.scaler.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "best_score": state.best_score,
        "best_measured": state.best_measured,
        "patients": state.patients,
    }
    _write(path, content)


def restore(path: Path, state: RunState) -> None:
    """Bring a state to where a checkpoint was written; its weight decay stays what it is.

    Raises:
        CheckpointError: If the file is damaged.
        OtherNetworkError: If it is from another network.
        OtherSplitError: If the run trained on other patients, or chose weights by others.
    """
    content = _read(path)
    try:
        there = NetworkConfig.from_settings(content["settings"])
        _refuse_other_network(path, there, state.network.config)
        _refuse_other_split(path, content.get("patients", {}), state.patients)
        state.network.load_state_dict(content["network"])
        state.average.load_state_dict(content["average"])
        _restore_optimizer(state.optimizer, content["optimizer"])
        if content.get("scaler"):  # neither older checkpoints have one nor those of float32
            state.scaler.load_state_dict(content["scaler"])
        state.step, state.seconds = content["step"], content["seconds"]
        state.best_score = content["best_score"]
        state.best_measured = content["best_measured"]
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(path, _first_line(error)) from error


def _restore_optimizer(optimizer: torch.optim.Optimizer, content: dict[str, Any]) -> None:
    """Bring back the moments; the settings of today decide on everything else."""
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    optimizer.load_state_dict(content)
    for group, decay in zip(optimizer.param_groups, decays, strict=True):
        group["weight_decay"] = decay


def save_weights(path: Path, network: LatupNet) -> None:
    """Write a source model: its configuration and weights, nothing else.

    Raises:
        OutputError: If the disk is full or read-only.
    """
    config = network.config
    content = {**asdict(config), "weights": network.state_dict()}
    _write(path, content)


def load_weights(path: Path) -> LatupNet:
    """Read a source model, or the averaged network of a checkpoint.

    Raises:
        CheckpointError: If the file is damaged or is no model.
    """
    content = _read(path)
    try:
        if "average" in content:
            config = NetworkConfig.from_settings(content["settings"])
            weights = content["average"]
        else:
            weights = content.pop("weights")
            config = NetworkConfig(**content)
        network = LatupNet(config)
        network.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(path, _first_line(error)) from error
    return network


def load_initial(path: Path, settings: TrainSettings) -> LatupNet:
    """Read weights that a run of these settings can start from.

    Raises:
        CheckpointError: If the file is damaged or is no model.
        OtherNetworkError: If it is another network.
    """
    network = load_weights(path)
    here = NetworkConfig.from_settings(settings.as_dict())
    _refuse_other_network(path, network.config, here)
    return network


def _refuse_other_network(path: Path, there: NetworkConfig, here: NetworkConfig) -> None:
    differing = {
        name: (fact, here.shape[name])
        for name, fact in there.shape.items()
        if fact != here.shape[name]
    }
    if differing:
        raise OtherNetworkError(path, differing)


def _refuse_other_split(
    path: Path, before: Mapping[str, list[str]], now: Mapping[str, list[str]]
) -> None:
    """Checkpoints of earlier versions do not know their patients."""
    sides = before.keys() & now.keys()
    differing = {name for side in sides for name in set(before[side]) ^ set(now[side])}
    if differing:
        raise OtherSplitError(path, sorted(differing))


def _write(path: Path, content: Mapping[str, object]) -> None:
    # Through memory, because torch does not say of a full disk that it is full.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as beside:
        beside.write_bytes(buffer.getbuffer())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many unrelated types here
        raise CheckpointError(path, _first_line(error)) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(path, "it holds no model")
    return dict(content)


def _first_line(error: Exception) -> str:
    """What torch says first; of a missing key, and of an empty file, it says next to nothing."""
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return (str(error).splitlines() or ["it is empty or cut short"])[0].rstrip(".:")
