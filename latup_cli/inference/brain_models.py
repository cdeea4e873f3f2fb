"""Find the two networks that remove the skull, and make sure that they are what was shipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from latup_cli.config import weights_root
from latup_cli.domain.grid import Shape
from latup_cli.errors import ModelNotFoundError, ModelSpecError
from latup_cli.inference.models import SKULL_STRIP, SPEC_FILE, Graph, verify

BOX = "box"
"""Role of the network that finds the box around the brain in the whole image."""
BRAIN = "brain"
"""Role of the network that finds the brain inside that box."""

_AXES = 3
_FACTS = ("name", "version", "source", "license", "citation")
_NUMBERS = ("inputs", "outputs", "stride", "opset", "parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainModels:
    """The networks, verified by hash, and what a report says of them.

    Attributes:
        box: One channel of the whole image to background and brain.
        brain: One channel of the box around the brain to background and brain.
        name: Of the pair.
        version: Raised whenever its masks change.
        source: Where the networks came from.
        license: Its terms.
        citation: What to cite.
    """

    box: Graph
    brain: Graph
    name: str
    version: str
    source: str
    license: str
    citation: str

    @property
    def identity(self) -> Mapping[str, str]:
        """What a report says: name, version, source, and sha256 of both networks."""
        return {
            "name": self.name,
            "version": self.version,
            "source": self.source,
            "box_sha256": self.box.sha256,
            "brain_sha256": self.brain.sha256,
        }


def load(directory: Path | None = None) -> BrainModels:
    """Read the description and verify both networks by hash.

    Args:
        directory: Where `model.json` lies; None for the shipped pair.

    Raises:
        ModelNotFoundError: If there is no description, or no file of a network.
        ModelSpecError: If the description lacks a field or has one that makes no sense.
        ModelHashError: If a network is not the one that was described.
    """
    folder = weights_root() / SKULL_STRIP if directory is None else directory
    path = folder / SPEC_FILE
    if not path.is_file():
        raise ModelNotFoundError(folder)
    content = _object(path, _json(path), "it")
    facts = {name: _text(path, content, name) for name in _FACTS}
    networks = _object(path, content.get("networks"), "'networks'")
    return BrainModels(
        box=_graph(path, networks, BOX), brain=_graph(path, networks, BRAIN), **facts
    )


def _graph(path: Path, networks: Mapping[str, object], role: str) -> Graph:
    fields = _object(path, networks.get(role), f"the network '{role}'")
    counts = {name: _whole(path, name, fields.get(name)) for name in _NUMBERS}
    graph = Graph(
        path=path.parent / _file_name(path, fields),
        sha256=_text(path, fields, "sha256"),
        inputs=counts["inputs"],
        outputs=counts["outputs"],
        window=_window(path, fields.get("window"), counts["stride"]),
        stride=counts["stride"],
    )
    if (graph.inputs, graph.outputs) != (1, 2):
        raise ModelSpecError(path, f"the network '{role}' is not one image to background and brain")
    verify(graph.path, graph.sha256)
    return graph


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelSpecError(path, "it is not JSON") from error


def _object(path: Path, value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ModelSpecError(path, f"{what} is not an object")
    return value


def _text(path: Path, fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ModelSpecError(path, f"'{name}' is {value!r}")
    return value


def _file_name(path: Path, fields: Mapping[str, object]) -> str:
    name = _text(path, fields, "weights")
    if Path(name).name != name:
        raise ModelSpecError(path, f"'weights' is {name!r}")
    return name


def _whole(path: Path, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelSpecError(path, f"'{name}' is {value!r}")
    return value


def _window(path: Path, value: object, stride: int) -> Shape:
    if not isinstance(value, list) or len(value) != _AXES:
        raise ModelSpecError(path, f"'window' is {value!r}")
    i, j, k = (_whole(path, "window", size) for size in value)
    if i % stride or j % stride or k % stride:
        raise ModelSpecError(path, f"'window' is no multiple of the stride {stride}")
    return i, j, k
