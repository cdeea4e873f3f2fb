"""Every field of `model.json` is read, checked, and refused by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latup_cli.errors import ModelError, ModelSpecError
from latup_cli.inference.model_json import read_spec
from tests.fixtures.models import ENTRY, edited


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
        ("least_certainty", {"NCR": 0.5}),
        ("least_certainty", {"ET": 1.5}),
        ("least_certainty", 0.5),
        ("least_core_share", -0.1),
        ("least_core_share", 1.1),
        ("least_core_share", "0.4"),
        ("smallest_island_ml", -0.5),
        ("smallest_island_ml", "0.5"),
        ("smallest_island_ml", float("inf")),
        ("smallest_ml", {"WT": 0.5}),
        ("smallest_ml", {"ET": 0}),
        ("smallest_ml", {"ET": -0.5}),
        ("smallest_ml", {"ET": "0.5"}),
        ("smallest_ml", {"ET": True}),
        ("smallest_ml", {"ET": float("nan")}),
        ("smallest_ml", {"ET": float("inf")}),
        ("smallest_ml", 0.5),
        ("smallest_ml", None),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(copy: Path, field: str, value: object) -> None:
    """Every field is checked for type and meaning, and a wrong one is named."""
    edited(copy, **{field: value})
    with pytest.raises(ModelSpecError, match=f"'{field}'") as caught:
        read_spec(copy / "model.json")
    assert isinstance(caught.value, ModelError)
    assert caught.value.exit_code == 5


def test_the_smallest_enhancing_tumor_may_be_missing(copy: Path) -> None:
    """Without the field, or with an empty one, everything is kept; a volume comes back in mL."""
    path = copy / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("smallest_ml", None)
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_spec(path).smallest_ml == {}
    assert read_spec(edited(copy, smallest_ml={}) / "model.json").smallest_ml == {}
    assert read_spec(edited(copy, smallest_ml={"ET": 1}) / "model.json").smallest_ml == {"ET": 1.0}


def listed(*shapes: tuple[int, int, int]) -> list[dict[str, object]]:
    """Windows as `model.json` has them."""
    return [{"shape": list(shape), "overlap": 0.5, "dice": {}} for shape in shapes]


@pytest.mark.parametrize(
    ("others", "smallest"),
    [
        ((), None),
        (((32, 40, 32), (64, 64, 64)), None),
        (((24, 32, 24), (16, 16, 16), (16, 24, 16)), (16, 16, 16)),
        (((48, 16, 16), (64, 40, 32)), (48, 16, 16)),
    ],
)
def test_the_smallest_window_is_that_of_fewest_voxels(
    copy: Path, others: tuple[tuple[int, int, int], ...], smallest: tuple[int, int, int] | None
) -> None:
    """Of the listed windows, in any order, the smallest counts if it is below the default."""
    spec = read_spec(edited(copy, windows=listed((32, 40, 32), *others)) / "model.json")
    found = spec.smallest_window
    assert (found.shape if found else None) == smallest
