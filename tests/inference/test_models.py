"""A model is what its description says, or it is not used."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from latup_cli.errors import ModelError, ModelHashError, ModelNotFoundError, ModelSpecError
from latup_cli.inference import models
from latup_cli.inference.models import load_model, read_spec, shipped_model, shipped_models
from tests.fixtures.models import edited, hand_made_model

ENTRY = {"file": "a.onnx", "sha256": "0", "dice_difference": {}, "allowed_as_default": True}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a good model; not to be changed."""
    return hand_made_model(tmp_path_factory.mktemp("good"))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The same model, to be damaged."""
    return shutil.copytree(made, tmp_path / "model")


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


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"model"'])
def test_what_is_no_object_is_no_description(copy: Path, text: str) -> None:
    """A file that is not a JSON object is refused as a model error, not as a crash."""
    (copy / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelSpecError, match=r"model\.json"):
        read_spec(copy / "model.json")


def test_bytes_that_are_no_text_are_no_description(copy: Path) -> None:
    """A binary file under the description's name is refused."""
    (copy / "model.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelSpecError, match="JSON"):
        read_spec(copy / "model.json")


def test_missing_and_unknown_fields_are_named(copy: Path) -> None:
    """A description of another version of the program is refused by the name of its field."""
    path = copy / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["stride"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelSpecError, match="lacks the field stride"):
        read_spec(path)
    path.write_text(json.dumps({**content, "stride": 8, "mean": 1.0}), encoding="utf-8")
    with pytest.raises(ModelSpecError, match="has the field mean"):
        read_spec(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("weights", "../elsewhere.onnx"),
        ("weights", ""),
        ("opset", True),
        ("parameters", -1),
        ("channels", ["t1", "t1ce", "t2"]),
        ("channels", ["t1", "t1", "t2", "flair"]),
        ("channels", "t1"),
        ("axis_order", "RRS"),
        ("spacing_mm", [1.0, 1.0]),
        ("spacing_mm", [1.0, 1.0, 0.0]),
        ("spacing_mm", ["a", 1, 1]),
        ("window", [32, 40, 30]),
        ("window", [32, 40, 0]),
        ("window", [32.0, 40.0, 32.0]),
        ("stride", 0),
        ("normalization", "minmax"),
        ("classes", ["background", "ED", "NCR", "ET"]),
        ("activation", "sigmoid"),
        ("measured", []),
        ("not_for", "children"),
        ("precisions", {"int4": ENTRY}),
        ("precisions", {"int8": {**ENTRY, "file": "../other.onnx"}}),
        ("precisions", {"int8": {**ENTRY, "allowed_as_default": 1}}),
        ("precisions", {"int8": {"file": "a.onnx"}}),
        ("precisions", {"int8": {**ENTRY, "more": 1}}),
        ("precisions", {"bfloat16": {**ENTRY, "file": "model.onnx"}}),
        ("bytes_per_voxel", {"openvino float32": 0}),
        ("bytes_per_voxel", {"openvino float32": "900"}),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(copy: Path, field: str, value: object) -> None:
    """Every field is checked for type and meaning, and a wrong one is named."""
    edited(copy, **{field: value})
    with pytest.raises(ModelSpecError, match=f"'{field}'") as caught:
        load_model(copy)
    assert isinstance(caught.value, ModelError)
    assert caught.value.exit_code == 5


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


def test_the_next_smaller_window_is_the_largest_below(copy: Path) -> None:
    """A graph names a listed window that needs less memory, and none where none is listed."""
    assert load_model(copy).graph.smaller is None
    shapes = ((32, 40, 32), (16, 16, 16), (24, 32, 24))
    listed = [{"shape": list(shape), "overlap": 0.5, "dice": {}} for shape in shapes]
    assert load_model(edited(copy, windows=listed)).graph.smaller == (24, 32, 24)
