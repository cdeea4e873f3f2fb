"""Find a model's directory, read its `model.json`, and make sure that the weights are its own."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latup_cli.config import weights_root
from latup_cli.domain.model import ModelSpec
from latup_cli.errors import ModelHashError, ModelNotFoundError, ModelSpecError
from latup_cli.labels import MODALITIES

SPEC_FILE = "model.json"

_AXES = 3
_AXIS_OF = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
_KNOWN = {
    "normalization": ("zscore-brain",),
    "activation": ("softmax",),
    "classes": (("background", "NCR", "ED", "ET"),),
}
"""What this version of the program can do; anything else is a model for a newer one."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose weights have been verified.

    Attributes:
        spec: Its description.
        path: The ONNX graph.
    """

    spec: ModelSpec
    path: Path


def shipped_models() -> tuple[str, ...]:
    """Names of the models that came with the package."""
    return tuple(sorted(path.parent.name for path in weights_root().glob(f"*/{SPEC_FILE}")))


def shipped_model(name: str) -> Model:
    """A model that came with the package.

    Raises:
        ModelNotFoundError: If there is none of that name.
        ModelError: As `load_model`.
    """
    if name not in shipped_models():
        raise ModelNotFoundError(name, shipped_models())
    return load_model(weights_root() / name)


def load_model(directory: Path) -> Model:
    """Read a model directory and verify its weights by hash.

    Raises:
        ModelNotFoundError: If there is no `model.json`, or no file of the weights.
        ModelSpecError: If a field is missing, unknown, or has a value that makes no sense.
        ModelHashError: If the weights are not the ones that were described.
    """
    path = directory / SPEC_FILE
    if not path.is_file():
        raise ModelNotFoundError(directory, shipped_models())
    spec = read_spec(path)
    weights = directory / spec.weights
    if not weights.is_file():
        raise ModelNotFoundError(weights)
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != spec.sha256:
        raise ModelHashError(weights, spec.sha256, found)
    return Model(spec, weights)


def read_spec(path: Path) -> ModelSpec:
    """Read and check `model.json` without looking at the weights.

    Raises:
        ModelSpecError: If a field is missing, unknown, or has a value that makes no sense.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelSpecError(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise ModelSpecError(path, "it is not an object")
    names = [field.name for field in fields(ModelSpec)]
    for problem, found in (
        ("lacks", set(names) - set(content)),
        ("has", set(content) - set(names)),
    ):
        if found:
            raise ModelSpecError(path, f"it {problem} the field {', '.join(sorted(found))}")
    values = {name: _value(path, name, content[name]) for name in names}
    return _checked(path, ModelSpec(**values))


def _value(path: Path, name: str, value: object) -> Any:  # noqa: ANN401  (one reader per field)
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as error:
        raise ModelSpecError(path, f"'{name}' is {value!r}") from error


def _checked(path: Path, spec: ModelSpec) -> ModelSpec:
    if sorted(spec.channels) != sorted(MODALITIES):
        raise ModelSpecError(path, f"'channels' are {list(spec.channels)}")
    if any(size <= 0 or size % spec.stride for size in spec.window):
        raise ModelSpecError(path, f"'window' is no multiple of the stride {spec.stride}")
    if not all(0 < size < math.inf for size in spec.spacing_mm):
        raise ModelSpecError(path, "'spacing_mm' is not positive")
    if sorted(map(_AXIS_OF.get, spec.axis_order), key=str) != [0, 1, 2]:
        raise ModelSpecError(path, f"'axis_order' is {spec.axis_order!r}")
    for name, known in _KNOWN.items():
        if getattr(spec, name) not in known:
            raise ModelSpecError(path, f"'{name}' is {getattr(spec, name)!r}")
    return spec


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _file_name(value: object) -> str:
    name = _text(value)
    if Path(name).name != name or not name:
        raise ValueError
    return name


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _window(value: object) -> tuple[int, ...]:
    return tuple(_whole(item) for item in _list(value, length=_AXES))


def _spacing(value: object) -> tuple[float, ...]:
    return tuple(float(item) for item in _list(value, length=_AXES))


def _list(value: object, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise TypeError
    return value


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return MappingProxyType(value)


_READERS: Mapping[str, Callable[[object], object]] = {
    "name": _text,
    "version": _text,
    "weights": _file_name,
    "sha256": _text,
    "opset": _whole,
    "parameters": _whole,
    "channels": _texts,
    "axis_order": _text,
    "spacing_mm": _spacing,
    "normalization": _text,
    "window": _window,
    "stride": _whole,
    "classes": _texts,
    "activation": _text,
    "trained_on": _text,
    "measured": _mapping,
    "not_for": _texts,
    "license": _text,
    "citation": _text,
}
