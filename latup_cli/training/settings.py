"""Everything a training run can be told, as one frozen dataclass that is read from TOML."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from latup_cli.domain.grid import Shape
from latup_cli.errors import AttentionNameError, TrainingSettingsError

SETTINGS_FILE = "train.toml"
"""A run's settings in its directory, and beside the weights that it made."""

ATTENTIONS = ("se", "none", "eca", "se-conv", "channel", "spatial", "cbam")
"""The modules of `attention.ATTENTION`, which would bring torch."""

_PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_STRIDE = 8  # the network's; its own module would bring torch
_NAMES = {"attention": ATTENTIONS, "precision": _PRECISIONS}
_SHARES = ("dropout", "teacher_share")
_POSITIVE = ("spacing_mm", "filters", "fold", "steps", "batch_size", "validate_every")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One training run; stored in its checkpoints and beside the weights it made.

    Attributes:
        name: The model's name in `model.json`.
        version: Of the model; raised whenever its results change.
        trained_on: The data in words, for `model.json`.
        spacing_mm: Isotropic voxel size that the network works at.
        window: Voxels of a training crop along i, j, k; multiples of 8 times `fold`.
        validation_window: Voxels of the windows that `segment` will use; multiples likewise.
        smallest_island_ml: Volume below which the model will leave out a piece of tumor; see
            `benchmarks/islands.py`, and choose it on patients that the model is trained on.
        smallest_et_ml: Volume of enhancing tumor in all below which the model will take it for
            necrotic core; see `benchmarks/smallest_et.py`, and choose it on such patients, too.
        least_core_share: Share of the whole tumor that the model will take for core at least
            where it finds no enhancing tumor; see `benchmarks/core_share.py`.
        least_certainty: Dice that the network's probabilities have to promise for WT, TC and ET,
            below which the model warns, and takes ET for necrotic core; 0 for any. See
            `benchmarks/certainty.py`, and choose it on patients that the model is trained on.
        filters: Filters at the finest level; 32 in the published network.
        deep_filters: Filters of the two deeper levels; 0 for two and four times as many.
        fold: Voxels along each axis that the first layer joins to one; 2 makes a light network
            that works at half the resolution, 1 is the published one.
        dropout: Probability of zeroing a voxel's activation.
        attention: "se" (the published network), "none", "eca", "se-conv", "channel", "spatial" or
            "cbam".
        steps: Optimizer steps in all.
        batch_size: Crops in a step.
        learning_rate: Its maximum, reached after `warmup_steps`, then falling as a cosine.
        warmup_steps: Steps of linear rise.
        final_rate_share: Learning rate at the end, as a share of the maximum.
        weight_decay: Of AdamW, on convolution and linear weights.
        clip_norm: Largest norm of a gradient.
        ema_decay: Of the moving average of the weights, which is what validation sees.
        cross_entropy_weight: Weight of the cross-entropy beside the Dice loss.
        tumor_share: Share of crops that are centered on a voxel of a random tissue of the tumor;
            the others lie anywhere in the brain's box.
        mix_probability: Probability that a crop gets the tumor of another patient.
        simulate_probability: Probability that a crop gets a tumor of a given shape instead.
        simulate_without_et_share: Share of these tumors that are drawn from the shapes without
            enhancing tumor; the others are drawn from all.
        lesion_probability: Probability that a crop gets lesions that are had as cubes only.
        teacher_share: Share of every target that is what another model says, in [0, 1]; the rest
            is the expert's.
        teacher_tta: Whether the teacher says the mean of what it sees in 8 mirrored views, which
            takes 8 times as long, once.
        slice_probability: Probability that a crop is seen as if scanned in thick slices.
        slice_mm: Smallest and largest distance between such slices.
        paint_probability: Probability that a crop's tumor gets the contrasts of another one.
        bias_probability: Probability that a crop is shaded as by receiver coils.
        bias_strength: Largest logarithm of what such a field multiplies brightness by.
        flips: Probability of mirroring along each of i, j, k.
        rotation_rad: Largest rotation about each axis.
        scaling: Largest relative change of size along each axis.
        shift_share: Largest shift of the crop, as a share of the window.
        spatial_probability: Probability of rotating, scaling and shifting a crop.
        intensity_probability: Probability of rescaling and of shifting the intensities of a crop;
            contrast, noise and blur come half as often.
        intensity_scale: Largest relative change of a modality's z-scores.
        intensity_shift: Largest shift of a modality's z-scores.
        noise: Largest standard deviation of added noise, in z-scores.
        blur_voxels: Smallest and largest standard deviation of blurring.
        drop_probability: Probability of blanking one modality of a crop.
        validate_every: Steps between validations.
        checkpoint_minutes: Minutes between checkpoints.
        precision: "auto", "float32", "bfloat16" or "float16" (on CUDA only). "auto" is bfloat16
            where the hardware is faster in it.
        workers: Processes that load data; 0 loads in the training process, as befits a CPU.
        seed: Fixes the initial weights, the order of cases and every augmentation.

    Raises:
        ValueError: If a window does not fit the network, a count is not positive, `attention` or
            `precision` is unknown, `dropout` or `teacher_share` is not in [0, 1], or the latter is
            0 with `teacher_tta`.
    """

    name: str = "custom"
    version: str = "1"
    trained_on: str = ""
    spacing_mm: float = 2.0
    window: Shape = (72, 88, 72)
    validation_window: Shape = (80, 96, 80)
    smallest_island_ml: float = 0.0
    smallest_et_ml: float = 0.0
    least_core_share: float = 0.0
    least_certainty: tuple[float, float, float] = (0.0, 0.0, 0.0)
    filters: int = 32
    deep_filters: tuple[int, int] = (0, 0)
    fold: int = 1
    dropout: float = 0.2
    attention: str = "se"
    steps: int = 1000
    batch_size: int = 1
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    final_rate_share: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    ema_decay: float = 0.99
    cross_entropy_weight: float = 1.0
    tumor_share: float = 0.0
    mix_probability: float = 0.0
    simulate_probability: float = 0.0
    simulate_without_et_share: float = 0.0
    lesion_probability: float = 0.0
    teacher_share: float = 0.0
    teacher_tta: bool = False
    slice_probability: float = 0.0
    slice_mm: tuple[float, float] = (2.0, 6.5)
    paint_probability: float = 0.0
    bias_probability: float = 0.0
    bias_strength: float = 0.3
    flips: tuple[float, float, float] = (0.5, 0.0, 0.0)
    rotation_rad: float = 0.2
    scaling: float = 0.15
    shift_share: float = 0.06
    spatial_probability: float = 0.8
    intensity_probability: float = 0.4
    intensity_scale: float = 0.3
    intensity_shift: float = 0.3
    noise: float = 0.2
    blur_voxels: tuple[float, float] = (0.3, 0.9)
    drop_probability: float = 0.1
    validate_every: int = 250
    checkpoint_minutes: float = 3.0
    precision: str = "auto"
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie between 0 and 1")
        for name, known in _NAMES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}")
        if self.teacher_tta and not self.teacher_share:
            raise ValueError("teacher_tta needs a teacher_share")
        self._check_sizes()

    def _check_sizes(self) -> None:
        if min(self.deep_filters) < 0:
            raise ValueError("deep_filters must not be negative")
        stride = _STRIDE * self.fold
        for name in ("window", "validation_window"):
            if any(size <= 0 or size % stride for size in getattr(self, name)):
                raise ValueError(f"{name} must hold positive multiples of {stride}")

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read settings; what a file leaves out keeps its default.

        Raises:
            TrainingSettingsError: If the file is no TOML, names an unknown setting, or gives
                one a value that it cannot have.
        """
        try:
            return cls(**_checked(tomllib.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            raise TrainingSettingsError(path, str(error)) from error

    def with_attention(self, name: str) -> Self:
        """The same with another attention module.

        Raises:
            AttentionNameError: If there is none of this name.
        """
        if name not in ATTENTIONS:
            raise AttentionNameError(name, ATTENTIONS)
        return replace(self, attention=name)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for checkpoints and cards."""
        return asdict(self)

    def to_toml(self) -> str:
        """The file that `from_toml` reads back to equal settings."""
        return "".join(f"{key} = {_toml(value)}\n" for key, value in self.as_dict().items())


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Values as the dataclass holds them, each of its default's kind."""
    defaults = {field.name: field.default for field in fields(TrainSettings)}
    unknown = set(given) - set(defaults)
    if unknown:
        raise ValueError(f"unknown setting {', '.join(sorted(unknown))}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    for key, value in values.items():
        if not _like(value, defaults[key]):
            raise ValueError(f"{key} cannot be {given[key]!r}; an example is {defaults[key]!r}")
    return values


def _like(value: object, example: object) -> bool:
    """Whether a value is of an example's kind; a whole number may stand for any number."""
    if isinstance(value, tuple) and isinstance(example, tuple):
        return len(value) == len(example) and all(map(_like, value, example))
    return type(value) is type(example) or (type(value) is int and isinstance(example, float))


def _toml(value: object) -> str:
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)  # TOML has JSON's escapes and truth
    return str(list(value)) if isinstance(value, tuple) else str(value)
