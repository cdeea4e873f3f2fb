"""Find a model's directory, make sure that the weights are its own, and say what to open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from latup_cli.config import SegmentSettings, weights_root
from latup_cli.domain.grid import Shape
from latup_cli.domain.model import MeasuredWindow, ModelSpec
from latup_cli.errors import ModelHashError, ModelNotFoundError, SmallerWindowMissingError
from latup_cli.inference.model_json import read_spec

SPEC_FILE = "model.json"
SKULL_STRIP = "skull-strip"
"""The folder of the networks that find the brain; their `model.json` describes no tumor model."""


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
        smaller: The smallest window that may be asked for instead; None for none.
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
        notes: What is unusual in how it was chosen, for people to read.
    """

    spec: ModelSpec
    path: Path
    notes: tuple[str, ...] = ()

    @property
    def graph(self) -> Graph:
        """What an engine opens, for the window of the description."""
        spec, smallest = self.spec, self.spec.smallest_window
        return Graph(
            path=self.path,
            sha256=spec.sha256,
            inputs=len(spec.channels),
            outputs=len(spec.classes),
            window=spec.window,
            stride=spec.stride,
            precisions=self._files(),
            bytes_per_voxel=spec.bytes_per_voxel,
            smaller=smallest.shape if smallest else None,
        )

    def _files(self) -> Mapping[str, GraphFile]:
        folder = self.path.parent
        return {
            name: GraphFile(folder / found.file, found.sha256, found.allowed_as_default)
            for name, found in self.spec.precisions.items()
        }


def chosen_model(settings: SegmentSettings) -> Model:
    """The model that the settings name, verified by its hash.

    Raises:
        ModelError: If it is missing, damaged or not what its description says, or was measured
            with no smaller window though little memory was asked for.
    """
    model = load_model(settings.weights) if settings.weights else shipped_model(settings.model)
    return in_smallest_window(model) if settings.low_memory else model


def in_smallest_window(model: Model) -> Model:
    """The same weights for the smallest window that they were measured with.

    Only the description decides, never the memory that happens to be free, so that the same
    command gives the same result everywhere.

    Raises:
        SmallerWindowMissingError: If the description lists no smaller window.
    """
    usual, smallest = model.spec.default_window, model.spec.smallest_window
    if smallest is None:
        raise SmallerWindowMissingError(model.spec.name)
    spec = replace(model.spec, window=smallest.shape, windows=(smallest,))
    return replace(model, spec=spec, notes=(*model.notes, _what_it_costs(smallest, usual)))


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


def _what_it_costs(smallest: MeasuredWindow, usual: MeasuredWindow) -> str:
    regions = [region for region in usual.dice if region in smallest.dice]
    used = f"A smaller window of {_times(smallest)} was used (--low-memory)"
    if not regions:
        return f"{used} instead of {_times(usual)}; its Dice was not measured."
    ours, theirs = (_scores(window, regions) for window in (smallest, usual))
    return f"{used}; measured Dice {ours} against {theirs} with {_times(usual)}."


def _scores(window: MeasuredWindow, regions: Iterable[str]) -> str:
    return ", ".join(f"{region} {window.dice[region]:.3f}" for region in regions)


def _times(window: MeasuredWindow) -> str:
    return " x ".join(map(str, window.shape))
