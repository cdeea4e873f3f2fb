"""A model is what its description says, or it is not used."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from latup_cli.config import FAST_MODEL, SegmentSettings
from latup_cli.errors import ModelHashError, ModelNotFoundError, SmallerWindowMissingError
from latup_cli.inference import memory, models
from latup_cli.inference.models import (
    chosen_model,
    in_smallest_window,
    load_model,
    shipped_model,
    shipped_models,
)
from tests.fixtures.models import ENTRY, edited


def test_a_good_model_is_loaded(made: Path) -> None:
    """Description and weights belong together, and numbers come back as they were written."""
    model = load_model(made)
    assert model.path == made / "model.onnx"
    assert model.spec.sha256 == hashlib.sha256(model.path.read_bytes()).hexdigest()
    assert model.spec.window == (32, 40, 32)
    assert model.spec.spacing_mm == (2.0, 2.0, 2.0)
    assert model.spec.classes == ("background", "NCR", "ED", "ET")


def test_one_changed_byte_is_noticed(copy: Path) -> None:
    """Weights that are not the described ones are refused, with both hashes in short."""
    weights = copy / "model.onnx"
    expected = hashlib.sha256(weights.read_bytes()).hexdigest()
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(damaged)
    found = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(ModelHashError, match=f"{found[:12]}.*{expected[:12]}") as caught:
        load_model(copy)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("gone", ["model.json", "model.onnx", ""])
def test_a_missing_part_is_named(copy: Path, gone: str) -> None:
    """A folder, a description or weights that do not exist are named in the message."""
    missing = copy / gone
    if missing.is_dir():
        shutil.rmtree(missing)
    else:
        missing.unlink()
    with pytest.raises(ModelNotFoundError, match=r"model") as caught:
        load_model(copy)
    assert str(copy) in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_name_that_no_model_has_lists_those_there_are(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shipped models are found by their folder; a wrong name is answered with the right ones."""
    shutil.copytree(made, tmp_path / "one")
    shutil.copytree(made, tmp_path / "another")
    (tmp_path / "LICENSE").write_text("terms", encoding="utf-8")
    monkeypatch.setattr(models, "weights_root", lambda: tmp_path)
    assert shipped_models() == ("another", "one")
    assert shipped_model("one").path == tmp_path / "one" / "model.onnx"
    with pytest.raises(ModelNotFoundError) as caught:
        shipped_model("third")
    assert "another, one" in caught.value.hint
    assert "--weights" in caught.value.hint
    with pytest.raises(ModelNotFoundError):
        shipped_model("../one")


def test_shorter_arithmetic_is_part_of_a_model(copy: Path) -> None:
    """Files of other precisions are verified with the model, and a graph names them."""
    content = b"quantized"
    sha256 = hashlib.sha256(content).hexdigest()
    (copy / "int8.onnx").write_bytes(content)
    entry = {**ENTRY, "file": "int8.onnx", "sha256": sha256}
    edited(copy, precisions={"int8": entry}, bytes_per_voxel={"openvino int8": 400})
    graph = load_model(copy).graph
    assert graph.precisions["int8"].default
    assert graph.bytes_per_voxel == {"openvino int8": 400.0}
    short = graph.in_precision("int8")
    assert (short.path, short.sha256) == (copy / "int8.onnx", sha256)
    assert graph.in_precision("float32") is graph
    (copy / "int8.onnx").write_bytes(b"another")
    with pytest.raises(ModelHashError, match="int8"):
        load_model(copy)
    (copy / "int8.onnx").unlink()
    with pytest.raises(ModelNotFoundError, match="int8"):
        load_model(copy)


def windows(*entries: tuple[tuple[int, int, int], dict[str, float]]) -> list[dict[str, object]]:
    """Windows as `model.json` has them: shape and measured Dice."""
    return [{"shape": list(shape), "overlap": 0.25, "dice": dice} for shape, dice in entries]


def test_a_graph_names_the_smallest_window(copy: Path) -> None:
    """What a refusal may offer is what `--low-memory` takes; nothing where nothing is listed."""
    assert load_model(copy).graph.smaller is None
    shapes = ((32, 40, 32), (16, 16, 16), (24, 32, 24))
    edited(copy, windows=windows(*((shape, {}) for shape in shapes)))
    model = load_model(copy)
    assert model.graph.smaller == (16, 16, 16)
    small = in_smallest_window(model)
    assert small.graph.window == small.spec.default_window.shape == (16, 16, 16)
    assert small.graph.smaller is None
    assert small.spec.default_window.overlap == 0.25


@pytest.mark.parametrize(
    ("usual", "small", "said"),
    [
        ({"WT": 0.9, "TC": 0.8}, {"WT": 0.85, "TC": 0.7}, "WT 0.850, TC 0.700 against WT 0.900"),
        ({"WT": 0.9, "TC": 0.8}, {"WT": 0.85}, "Dice WT 0.850 against WT 0.900 with 32 x 40 x 32"),
        ({}, {"WT": 0.85}, "instead of 32 x 40 x 32; its Dice was not measured"),
    ],
)
def test_a_smaller_window_says_what_it_costs(
    usual: dict[str, float], small: dict[str, float], said: str, copy: Path
) -> None:
    """The note names the window and the Dice of both, as far as both were measured."""
    edited(copy, windows=windows(((32, 40, 32), usual), ((16, 16, 16), small)))
    (note,) = in_smallest_window(load_model(copy)).notes
    assert note.startswith("A smaller window of 16 x 16 x 16 was used (--low-memory)")
    assert said in note


def test_the_settings_alone_choose_the_window(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little memory is free, nothing but the option takes the smaller window."""
    edited(copy, windows=windows(((32, 40, 32), {}), ((16, 16, 16), {})))
    for free in (0, None, 10**15):
        monkeypatch.setattr(memory, "free_bytes", lambda free=free: free)
        settings = SegmentSettings(weights=copy)
        assert chosen_model(settings).spec.window == (32, 40, 32)
        assert chosen_model(settings).notes == ()
        assert chosen_model(replace(settings, low_memory=True)).spec.window == (16, 16, 16)


def test_a_model_of_one_window_has_no_smaller_one(copy: Path) -> None:
    """Little memory cannot be asked of a model that was measured with one window: exit 5."""
    with pytest.raises(SmallerWindowMissingError, match="hand-made") as caught:
        chosen_model(SegmentSettings(weights=copy, low_memory=True))
    assert caught.value.exit_code == 5


def test_the_fast_model_is_chosen_by_name(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast model is a shipped model like any other; without it, the error names the rest."""
    monkeypatch.setattr(models, "weights_root", lambda: tmp_path)
    shutil.copytree(made, tmp_path / "latup-net")
    with pytest.raises(ModelNotFoundError, match="no shipped model 'latup-net-fast'") as caught:
        chosen_model(SegmentSettings(model=FAST_MODEL))
    assert "Shipped models: latup-net." in caught.value.hint
    shutil.copytree(made, tmp_path / FAST_MODEL)
    fast = chosen_model(SegmentSettings(model=FAST_MODEL))
    assert fast.path == tmp_path / FAST_MODEL / "model.onnx"
