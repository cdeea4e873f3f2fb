"""`latup info`: what the models are, what labels mean, and what the program is not for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from latup_cli import __version__
from latup_cli.config import DEFAULT_LABELS, DEFAULT_MODEL, weights_root
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.report import NOTICE
from latup_cli.errors import ModelNotFoundError
from latup_cli.inference.model_json import read_spec
from latup_cli.inference.models import SPEC_FILE, shipped_models
from latup_cli.labels import MODALITIES, REGIONS, SCHEMES, LabelScheme

SCHEMA_VERSION = 1
"""Of the JSON; raised when a field changes its meaning, its name, or goes away."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model as it describes itself; its weights are not read.

    Attributes:
        spec: The description.
        folder: Where it lies.
        megabytes: Size of the weights; 0 if the file is missing.
    """

    spec: ModelSpec
    folder: Path
    megabytes: float


@dataclass(frozen=True, slots=True)
class Info:
    """Everything that `latup info` tells.

    Attributes:
        models: The shipped models, or the one that was named.
        schemes: Label schemes by name.
    """

    models: tuple[KnownModel, ...]
    schemes: Mapping[str, LabelScheme]


def collect_info(weights: Path | None = None) -> Info:
    """Read the descriptions of models; no engine is loaded.

    Args:
        weights: Folder of a trained model to describe instead of the shipped ones.

    Raises:
        ModelNotFoundError: If `weights` holds no model.
        ModelSpecError: If a description is damaged.
    """
    folders = [weights] if weights else [weights_root() / name for name in shipped_models()]
    return Info(tuple(_known(folder) for folder in folders), SCHEMES)


def info_json(info: Info) -> dict[str, object]:
    """The same as JSON's types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "latup": __version__,
        "notice": NOTICE,
        "default_model": DEFAULT_MODEL,
        "models": [_model_json(model) for model in info.models],
        "modalities": list(MODALITIES),
        "regions": {name: sorted(t.name for t in tissues) for name, tissues in REGIONS.items()},
        "default_labels": DEFAULT_LABELS,
        "labels": {name: _scheme_json(scheme) for name, scheme in info.schemes.items()},
    }


def _known(folder: Path) -> KnownModel:
    path = folder / SPEC_FILE
    if not path.is_file():
        raise ModelNotFoundError(folder, shipped_models())
    spec = read_spec(path)
    weights = folder / spec.weights
    return KnownModel(spec, folder, weights.stat().st_size / 1e6 if weights.is_file() else 0.0)


def _model_json(model: KnownModel) -> dict[str, object]:
    described = _plain(model.spec)
    return {**described, "folder": str(model.folder), "megabytes": round(model.megabytes, 1)}


def _plain(value: Any) -> Any:  # noqa: ANN401  (whatever a description holds)
    """Dataclasses and mappings as dictionaries, sequences as lists."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _scheme_json(scheme: LabelScheme) -> dict[str, object]:
    return {
        "numbers": {tissue.name: number for tissue, number in scheme.numbers.items()},
        "names": {str(number): name for number, name in scheme.names.items()},
    }
