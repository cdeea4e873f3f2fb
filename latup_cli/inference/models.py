"""Find a model's directory, read its `model.json`, and make sure that the weights are its own."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latup_cli.config import BFLOAT16, INT8, weights_root
from latup_cli.domain.grid import Shape
from latup_cli.domain.model import MeasuredPrecision, MeasuredWindow, ModelSpec
from latup_cli.errors import ModelHashError, ModelNotFoundError, ModelSpecError
from latup_cli.labels import MODALITIES

SPEC_FILE = "model.json"
SKULL_STRIP = "skull-strip"
"""The folder of the networks that find the brain; their `model.json` describes no tumor model."""

_AXES = 3
_AXIS_OF = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
_KNOWN = {
    "normalization": ("zscore-brain",),
    "activation": ("softmax",),
    "classes": (("background", "NCR", "ED", "ET"),),
}
"""What this version of the program can do; anything else is a model for a newer one."""

_OPTIONAL = frozenset({"windows", "precisions", "bytes_per_voxel"})
"""Fields of `model.json` that may be missing."""

_PRECISION = {field.name for field in fields(MeasuredPrecision)}


@dataclass(frozen=True, slots=True)
class GraphFile:
    """The same network for shorter arithmetic.

    Attributes:
        path: The ONNX file.
        sha256: Of the file, in lower-case hexadecimal.
        default: Whether nobody has to ask for it where the processor is fast at it.
    """

    path: Path
    sha256: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A network in an ONNX file, as far as an engine has to know it.

    Attributes:
        path: The file.
        sha256: Of the file, in lower-case hexadecimal.
        inputs: Channels of its only input, (n, inputs, i, j, k) float32.
        outputs: Channels of its only output, (n, outputs, i, j, k) float32.
        window: Voxels along i, j, k that it is run on.
        stride: Every window size must be a multiple of this.
        precisions: "bfloat16" or "int8" to the file that it takes.
        bytes_per_voxel: Engine and precision, such as "openvino float32", to the memory per voxel
            of a window; nothing is foreseen without it.
        smaller: A smaller window that may be asked for instead; None for none.
    """

    path: Path
    sha256: str
    inputs: int
    outputs: int
    window: Shape
    stride: int = 8
    precisions: Mapping[str, GraphFile] = field(default_factory=lambda: MappingProxyType({}))
    bytes_per_voxel: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    smaller: Shape | None = None

    def in_precision(self, name: str) -> Graph:
        """The same network, in the file that a precision takes."""
        file = self.precisions.get(name)
        return self if file is None else replace(self, path=file.path, sha256=file.sha256)


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose weights have been verified.

    Attributes:
        spec: Its description.
        path: The ONNX graph.
    """

    spec: ModelSpec
    path: Path

    @property
    def graph(self) -> Graph:
        """What an engine opens, for the window of the description."""
        spec = self.spec
        return Graph(
            path=self.path,
            sha256=spec.sha256,
            inputs=len(spec.channels),
            outputs=len(spec.classes),
            window=spec.window,
            stride=spec.stride,
            precisions=self._files(),
            bytes_per_voxel=spec.bytes_per_voxel,
            smaller=_next_smaller(spec),
        )

    def _files(self) -> Mapping[str, GraphFile]:
        folder = self.path.parent
        return {
            name: GraphFile(folder / found.file, found.sha256, found.allowed_as_default)
            for name, found in self.spec.precisions.items()
        }


def shipped_models() -> tuple[str, ...]:
    """Names of the models that came with the package."""
    names = {path.parent.name for path in weights_root().glob(f"*/{SPEC_FILE}")}
    return tuple(sorted(names - {SKULL_STRIP}))


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
    files = {found.file: found.sha256 for found in spec.precisions.values()}
    for name, expected in {**files, spec.weights: spec.sha256}.items():
        verify(directory / name, expected)
    return Model(spec, directory / spec.weights)


def verify(path: Path, sha256: str) -> None:
    """Make sure that a file is the one that was described.

    Raises:
        ModelNotFoundError: If there is none.
        ModelHashError: If it is another.
    """
    if not path.is_file():
        raise ModelNotFoundError(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ModelHashError(path, sha256, found)


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


def _next_smaller(spec: ModelSpec) -> Shape | None:
    """The largest listed window that is smaller than the default."""
    shapes = [window.shape for window in spec.windows]
    below = [shape for shape in shapes if math.prod(shape) < math.prod(spec.window)]
    return max(below, key=math.prod, default=None)


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


def _bytes_per_voxel(value: object) -> Mapping[str, float]:
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
    "bytes_per_voxel": _bytes_per_voxel,
    "stride": _whole,
    "classes": _texts,
    "activation": _text,
    "trained_on": _text,
    "measured": _mapping,
    "not_for": _texts,
    "license": _text,
    "citation": _text,
}
