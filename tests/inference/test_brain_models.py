"""The networks that remove the skull are the shipped ones, or they are not used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latup_cli.config import weights_root
from latup_cli.errors import ModelError, ModelHashError, ModelNotFoundError, ModelSpecError
from latup_cli.inference import onnxruntime_engine, openvino_engine
from latup_cli.inference.brain_models import load
from latup_cli.inference.models import SKULL_STRIP, shipped_models
from latup_cli.preprocess.skull_strip import BOX_WINDOW, BRAIN_WINDOW

SMALL = (32, 64, 96)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped networks in a folder that may be damaged."""
    return shutil.copytree(weights_root() / SKULL_STRIP, tmp_path / "copy")


def rewrite(folder: Path, change: Any) -> None:
    """Change `model.json` in place."""
    path = folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_the_shipped_networks_are_whole() -> None:
    """Both are verified, see one image, and are asked for the windows that the method uses."""
    models = load()
    assert (models.box.window, models.brain.window) == (BOX_WINDOW, BRAIN_WINDOW)
    assert (models.box.inputs, models.box.outputs) == (1, 2)
    assert models.box.sha256 != models.brain.sha256
    assert models.identity["brain_sha256"] == models.brain.sha256
    assert "deepbet" in models.source
    assert "MIT" in models.license


def test_their_license_goes_with_them() -> None:
    """The MIT notice and the card lie beside the networks, and all of it is below 18 MB."""
    folder = weights_root() / SKULL_STRIP
    assert "Permission is hereby granted" in (folder / "LICENSE").read_text(encoding="utf-8")
    models, card = load(), (folder / "card.md").read_text(encoding="utf-8")
    assert models.box.sha256 in card
    assert models.brain.sha256 in card
    assert sum(path.stat().st_size for path in folder.iterdir()) < 18e6


def test_they_are_no_model_for_tumors() -> None:
    """`--model skull-strip` does not exist, and `latup info` does not list it."""
    assert SKULL_STRIP not in shipped_models()
    assert shipped_models()


@pytest.mark.parametrize("role", ["box", "brain"])
def test_engines_agree_on_probabilities(role: str) -> None:
    """ONNX Runtime and OpenVINO give the same two probabilities, which add up to one."""
    graph = getattr(load(), role)
    small = type(graph)(
        path=graph.path, sha256=graph.sha256, inputs=1, outputs=2, window=SMALL, stride=32
    )
    window = np.random.default_rng(4).normal(0.449, 0.226, (1, 1, *SMALL)).astype(np.float32)
    one = onnxruntime_engine.open_on_cpu(small)(window)
    other = openvino_engine.open_on_cpu(small)(window)
    assert one.shape == (1, 2, *SMALL)
    np.testing.assert_allclose(one.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(other, one, atol=5e-3)


@pytest.mark.parametrize("name", ["box.onnx", "brain.onnx"])
def test_one_changed_byte_is_noticed(copy: Path, name: str) -> None:
    """A network that is not the described one is refused by the name of its file."""
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    with pytest.raises(ModelHashError, match=name) as caught:
        load(copy)
    assert caught.value.exit_code == 5


def test_exchanged_networks_are_noticed(copy: Path) -> None:
    """The box network under the name of the brain network is refused."""
    shutil.copyfile(copy / "box.onnx", copy / "brain.onnx")
    with pytest.raises(ModelHashError, match=r"brain\.onnx"):
        load(copy)


@pytest.mark.parametrize("name", ["model.json", "box.onnx", "brain.onnx"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    """A description or a network that is not there is a model error, not a crash."""
    (copy / name).unlink()
    with pytest.raises(ModelNotFoundError, match=str(copy)):
        load(copy)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"name": "skull-strip"}', "\udcff"])
def test_what_describes_nothing_is_refused(copy: Path, text: str) -> None:
    """A description that is no JSON, no object, or has no networks is a model error."""
    (copy / "model.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelSpecError, match=r"model\.json"):
        load(copy)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", "../model.onnx"),
        ("weights", ""),
        ("sha256", None),
        ("window", [256, 256]),
        ("window", [256, 256, 250]),
        ("window", [0, 0, 0]),
        ("stride", True),
        ("inputs", 4),
        ("outputs", "2"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(copy: Path, field: str, value: object) -> None:
    """Every field that the program relies on is checked, in both networks' entries."""
    rewrite(copy, lambda content: content["networks"]["brain"].update({field: value}))
    with pytest.raises(ModelError, match=r"model\.json") as caught:
        load(copy)
    assert caught.value.exit_code == 5
