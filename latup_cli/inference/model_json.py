"""Read `model.json`: every field by a reader of its own, then what they mean together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latup_cli.config import BFLOAT16, INT8
from latup_cli.domain.model import (
    N4_ZSCORE,
    ZSCORE,
    MeasuredPrecision,
    MeasuredWindow,
    ModelSpec,
)
from latup_cli.errors import ModelSpecError
from latup_cli.labels import MODALITIES, REGIONS

_AXES = 3
_AXIS_OF = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
_KNOWN = {
    "normalization": (ZSCORE, N4_ZSCORE),
    "activation": ("softmax",),
    "classes": (("background", "NCR", "ED", "ET"),),
}
"""What this version of the program can do; anything else is a model for a newer one."""

_OPTIONAL = frozenset(
    {
        "windows",
        "precisions",
        "bytes_per_voxel",
        "smallest_ml",
        "smallest_island_ml",
        "least_core_share",
        "least_certainty",
    }
)
"""Fields of `model.json` that may be missing."""

_BELIEVED_ABOVE = frozenset({"ET"})
"""Regions that may have a smallest volume."""

_PRECISION = {field.name for field in fields(MeasuredPrecision)}


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
        ("lacks", set(names) - set(content) - _OPTIONAL),
        ("has", set(content) - set(names)),
    ):
        if found:
            raise ModelSpecError(path, f"it {problem} the field {', '.join(sorted(found))}")
    values = {name: _value(path, name, content[name]) for name in names if name in content}
    return _checked(path, ModelSpec(**values))


def _value(path: Path, name: str, value: object) -> Any:  # noqa: ANN401  (one reader per field)
    try:
        return _READERS[name](value)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelSpecError(path, f"'{name}' is {value!r}") from error


def _checked(path: Path, spec: ModelSpec) -> ModelSpec:
    if sorted(spec.channels) != sorted(MODALITIES):
        raise ModelSpecError(path, f"'channels' are {list(spec.channels)}")
    if any(size <= 0 or size % spec.stride for size in spec.window):
        raise ModelSpecError(path, f"'window' is no multiple of the stride {spec.stride}")
    _check_windows(path, spec)
    _check_precisions(path, spec)
    if not all(0 < size < math.inf for size in spec.spacing_mm):
        raise ModelSpecError(path, "'spacing_mm' is not positive")
    if sorted(map(_AXIS_OF.get, spec.axis_order), key=str) != [0, 1, 2]:
        raise ModelSpecError(path, f"'axis_order' is {spec.axis_order!r}")
    for name, known in _KNOWN.items():
        if getattr(spec, name) not in known:
            raise ModelSpecError(path, f"'{name}' is {getattr(spec, name)!r}")
    return spec


def _check_windows(path: Path, spec: ModelSpec) -> None:
    for window in spec.windows:
        if any(size % spec.stride for size in window.shape) or not 0.0 <= window.overlap < 1.0:
            raise ModelSpecError(path, f"'windows' have {window.shape} with {window.overlap:g}")
    if spec.default_window.shape != spec.window:
        raise ModelSpecError(path, "the first of 'windows' is not 'window'")


def _check_precisions(path: Path, spec: ModelSpec) -> None:
    for name, found in spec.precisions.items():
        if name not in (BFLOAT16, INT8):
            raise ModelSpecError(path, f"'precisions' have {name!r}")
        if found.file == spec.weights and found.sha256 != spec.sha256:
            raise ModelSpecError(path, f"'precisions' have {name!r} of other weights")


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


def _windows(value: object) -> tuple[MeasuredWindow, ...]:
    return tuple(_measured_window(item) for item in _list(value))


def _measured_window(value: object) -> MeasuredWindow:
    if not isinstance(value, dict) or set(value) != {"shape", "overlap", "dice"}:
        raise TypeError
    i, j, k = _window(value["shape"])
    dice = {_text(name): float(score) for name, score in dict(value["dice"]).items()}
    return MeasuredWindow((i, j, k), float(value["overlap"]), MappingProxyType(dice))


def _precisions(value: object) -> Mapping[str, MeasuredPrecision]:
    return MappingProxyType({_text(k): _precision(v) for k, v in _mapping(value).items()})


def _precision(value: object) -> MeasuredPrecision:
    content = _mapping(value)
    allowed = content["allowed_as_default"]
    if set(content) != _PRECISION or not isinstance(allowed, bool):
        raise TypeError
    difference = _mapping(content["dice_difference"])
    return MeasuredPrecision(
        _file_name(content["file"]), _text(content["sha256"]), difference, allowed
    )


def _smallest_ml(value: object) -> Mapping[str, float]:
    found = _positive(value)
    if not set(found) <= _BELIEVED_ABOVE:
        raise ValueError
    return found


def _volume(value: object) -> float:
    found = float(_number(value))
    if not 0 <= found < math.inf:
        raise ValueError
    return found


def _share(value: object) -> float:
    found = float(_number(value))
    if not 0 <= found <= 1:
        raise ValueError
    return found


def _least_certainty(value: object) -> Mapping[str, float]:
    found = {name: _share(least) for name, least in _mapping(value).items()}
    if not set(found) <= set(REGIONS):
        raise ValueError
    return MappingProxyType(found)


def _positive(value: object) -> Mapping[str, float]:
    found = {name: float(_number(size)) for name, size in _mapping(value).items()}
    if not all(0 < size < math.inf for size in found.values()):
        raise ValueError
    return MappingProxyType(found)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return value


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
    "windows": _windows,
    "precisions": _precisions,
    "bytes_per_voxel": _positive,
    "smallest_ml": _smallest_ml,
    "smallest_island_ml": _volume,
    "least_core_share": _share,
    "least_certainty": _least_certainty,
    "stride": _whole,
    "classes": _texts,
    "activation": _text,
    "trained_on": _text,
    "measured": _mapping,
    "not_for": _texts,
    "license": _text,
    "citation": _text,
}
