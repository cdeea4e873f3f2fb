"""Whatever is wrong: the right exit code, one line that names it, a hint, and nothing left."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from latup_cli.cli.app import app
from tests.fixtures.models import edited
from tests.fixtures.phantoms import phantom, save, tree, voxels

Array = npt.NDArray[Any]

FLAIR = "case_flair.nii.gz"
ON_CPU = ("--device", "cpu", "--engine", "onnxruntime", "--force")


@dataclass(frozen=True, slots=True)
class Place:
    """A test's own folders, which a row may spoil.

    Attributes:
        study: A good study.
        model: A good model.
        output: Where results would go; it does not exist.
    """

    study: Path
    model: Path
    output: Path

    @property
    def flair(self) -> Path:
        """One of the study's images."""
        return self.study / FLAIR


@dataclass(frozen=True, slots=True)
class Row:
    """Something that can be wrong.

    Attributes:
        code: The exit code.
        names: What the error line must say.
        hint: What the hint must say.
        spoil: What is done to the good study, model and output.
        options: What is typed besides; `{study}` and so on stand for the places.
    """

    code: int
    names: tuple[str, ...]
    hint: str
    spoil: Callable[[Place], object] = lambda _place: None
    options: tuple[str, ...] = field(default=())


def write(content: bytes, *, of: str = "flair") -> Callable[[Place], object]:
    """Put other bytes in a file's place."""
    return lambda place: getattr(place, of).write_bytes(content)


def change(edit: Callable[[Array], Array]) -> Callable[[Place], object]:
    """Spoil FLAIR's voxels."""
    return lambda place: save(place.flair, edit(voxels(place.flair)), phantom().grid.ras_from_voxel)


def move(source_from_target: npt.ArrayLike) -> Callable[[Place], object]:
    """Spoil FLAIR's affine."""
    affine = phantom().grid.ras_from_voxel @ np.asarray(source_from_target)
    return lambda place: save(place.flair, voxels(place.flair), affine)


def with_nan(data: Array) -> Array:
    """One voxel is not a number."""
    spoiled = data.copy()
    spoiled[20, 20, 20] = np.nan
    return spoiled


def with_skull(place: Place) -> None:
    """Air that is noise, in every image, at twice the size."""
    noise = np.random.default_rng(4).rayleigh(5, phantom().grid.shape).astype(np.float32)
    affine = phantom().grid.ras_from_voxel @ np.diag([2.0, 2.0, 2.0, 1.0])
    for path in place.study.iterdir():
        save(path, voxels(path) + noise, affine)


def few_slices(place: Place) -> None:
    """Every image ends early."""
    for path in place.study.iterdir():
        save(path, voxels(path)[:, :, :-5], phantom().grid.ras_from_voxel)


def mask_elsewhere(place: Place) -> None:
    """A brain mask beside the study, 3 mm off."""
    affine = phantom().grid.ras_from_voxel @ np.asarray(SHIFT)
    brain = (voxels(place.flair) != 0).astype(np.uint8)
    save(place.study.parent / "mask.nii.gz", brain, affine)


def wrong_magic(place: Place) -> None:
    """The header says that the voxels lie in another file."""
    raw = bytearray(gzip.decompress(place.flair.read_bytes()))
    raw[344:348] = b"ni1\0"
    place.flair.write_bytes(gzip.compress(bytes(raw)))


def patients(place: Place) -> None:
    """The folder holds folders of patients."""
    for name in ("Anna", "Ben"):
        shutil.copytree(place.study, place.study.parent / "all" / name)
    shutil.rmtree(place.study)
    (place.study.parent / "all").rename(place.study)


def spec(**fields: object) -> Callable[[Place], object]:
    """Change fields of model.json."""
    return lambda place: edited(place.model, **fields)


def without_field(place: Place) -> None:
    """Take a field out of model.json."""
    path = place.model / "model.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    del fields["activation"]
    path.write_text(json.dumps(fields), encoding="utf-8")


def damaged_weights(place: Place) -> None:
    """Flip one bit."""
    path = place.model / "model.onnx"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def earlier_result(place: Place) -> None:
    """Somebody's mask lies there."""
    place.output.mkdir()
    (place.output / "LATUP-001_seg.nii.gz").write_bytes(b"mine")


SHEAR = [[1, 0, 0, 0], [0, 1, 0.18, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
SHIFT = [[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
T2 = "case_t2.nii.gz"

STUDIES = {
    "no such folder": Row(
        3, ("LATUP-001", "does not exist"), "folder", lambda p: shutil.rmtree(p.study)
    ),
    "empty folder": Row(
        3, ("lacks t1, t1ce, t2, flair",), "DICOM series",
        lambda p: [path.unlink() for path in p.study.iterdir()],
    ),
    "folder of patients": Row(3, ("LATUP-001", "Anna, Ben"), "latup batch", patients),
    "missing modality": Row(
        3, ("lacks t2", "case_t1ce.nii.gz"), "--t2 FILE", lambda p: (p.study / T2).unlink()
    ),
    "doubled modality": Row(
        3, (FLAIR, "other_FLAIR.nii"), "--flair FILE",
        lambda p: shutil.copy(p.flair, p.study / "other_FLAIR.nii"),
    ),
    "same image twice": Row(
        3, (FLAIR, T2), "own image", lambda p: shutil.copy(p.flair, p.study / T2)
    ),
    "named file missing": Row(
        3, ("nowhere.nii.gz", "t2"), "path", options=("--t2", "nowhere.nii.gz")
    ),
    "empty file": Row(3, (FLAIR, "empty"), "again", write(b"")),
    "cut short": Row(
        3, (FLAIR,), "again", lambda p: p.flair.write_bytes(p.flair.read_bytes()[:9000])
    ),
    "text": Row(3, (FLAIR, "not a NIfTI"), "again", write(b"patient data\n" * 99)),
    "wrong magic": Row(3, (FLAIR, "not a NIfTI"), "again", wrong_magic),
    "folder as file": Row(
        3, ("lacks flair",), "--flair FILE", lambda p: (p.flair.unlink(), p.flair.mkdir())
    ),
    "several volumes": Row(
        3, (FLAIR, "2 volumes"), "3-D", change(lambda d: np.stack([d, d], -1))
    ),
    "NaN": Row(3, (FLAIR, "1 voxels"), "again", change(with_nan)),
    "constant": Row(3, (FLAIR, "7 everywhere"), "again", change(lambda d: np.full_like(d, 7))),
    "zero": Row(3, (FLAIR, "0 everywhere"), "again", change(np.zeros_like)),
    "sheared": Row(3, (FLAIR, "10.2 degrees"), "shear", move(SHEAR)),
    "flat": Row(3, (FLAIR, "affine"), "header", move(np.diag([1, 1, 0, 1]))),
    "few slices": Row(3, ("t1ce", "40 x 48 x 31"), "whole-head", few_slices),
    "mask on another grid": Row(
        3, ("mask.nii.gz", "3.0 mm"), "one grid", mask_elsewhere,
        ("--brain-mask", "{study}/../mask.nii.gz"),
    ),
    "no such mask": Row(
        3, ("nowhere.nii.gz", "brain mask"), "path", options=("--brain-mask", "nowhere.nii.gz")
    ),
    "DICOM-SEG of NIfTI": Row(3, ("DICOM",), "--dicom-seg", options=("--dicom-seg",)),
    "segmentation": Row(
        3, (FLAIR, "segmentation", "flair"), "--flair FILE",
        change(lambda _: phantom().answer),
    ),
    "skull": Row(
        4, ("case_t1ce.nii.gz", "not skull-stripped"), "--brain-mask", with_skull,
        ("--skull-strip", "none"),
    ),
}  # fmt: skip

OPTIONS = {
    "labels": Row(2, ("'x'",), "brats2021", options=("--labels", "x")),
    "device": Row(2, ("'y'",), "cuda", options=("--device", "y")),
    "engine": Row(2, ("'torch'",), "openvino", options=("--engine", "torch")),
    "fast weights": Row(2, ("--fast", "--weights"), "Leave out", options=("--fast",)),
    "name": Row(2, ("'../up'",), "Leave out", options=("--name", "../up")),
    "no such GPU": Row(
        6, ("cuda:99",), "--device auto", options=("--device", "cuda:99", "--engine", "auto")
    ),
}

MODELS = {
    "no such folder": Row(
        5, ("{model}",), "", lambda p: shutil.rmtree(p.model)
    ),
    "no weights": Row(
        5, ("model.onnx",), "Reinstall", lambda p: (p.model / "model.onnx").unlink()
    ),
    "damaged": Row(5, ("model.onnx", "sha256"), "Reinstall", damaged_weights),
    "not JSON": Row(
        5, ("model.json", "JSON"), "", lambda p: (p.model / "model.json").write_bytes(b"{")
    ),
    "not an object": Row(
        5, ("model.json", "object"), "", lambda p: (p.model / "model.json").write_bytes(b"[]")
    ),
    "missing field": Row(5, ("model.json", "lacks", "activation"), "", without_field),
    "unknown field": Row(5, ("model.json", "has", "colour"), "", spec(colour="red")),
    "stride": Row(5, ("model.json", "stride"), "", spec(window=[33, 40, 32])),
    "window": Row(5, ("model.json", "window"), "", spec(window="all")),
    "no smaller window": Row(
        5, ("hand-made", "smaller window"), "--low-memory", options=("--low-memory",)
    ),
    "smallest WT": Row(5, ("model.json", "smallest_ml"), "", spec(smallest_ml={"WT": 1})),
    "channels": Row(5, ("model.json", "channels"), "", spec(channels=["t1"] * 4)),
    "axes": Row(5, ("model.json", "axis_order"), "", spec(axis_order="XYZ")),
    "two left": Row(5, ("model.json", "axis_order"), "", spec(axis_order="RLS")),
    "spacing": Row(5, ("model.json", "spacing_mm"), "", spec(spacing_mm=[2, 2, 0])),
    "NaN spacing": Row(5, ("model.json", "spacing_mm"), "", spec(spacing_mm=[2, 2, float("nan")])),
    "activation": Row(5, ("model.json", "sigmoid"), "", spec(activation="sigmoid")),
    "outside": Row(5, ("model.json", "weights"), "", spec(weights="../other/model.onnx")),
    "classes": Row(5, ("model.json", "classes"), "", spec(classes=["background", "ET"])),
}  # fmt: skip

OUTPUTS = {
    "exists": Row(7, ("LATUP-001_seg.nii.gz",), "--overwrite", earlier_result),
    "is a file": Row(10, ("{output}",), "-o", write(b"mine", of="output")),
    "below a file": Row(
        10, ("{output}",), "-o", write(b"mine", of="output"), ("-o", "{output}/a/b")
    ),
    "name too long": Row(10, ("x" * 300,), "-o", options=("-o", "{output}/" + "x" * 300)),
}

TABLE = {
    f"{group}: {name}": row
    for group, rows in (
        ("study", STUDIES), ("option", OPTIONS), ("model", MODELS), ("output", OUTPUTS)
    )
    for name, row in rows.items()
}  # fmt: skip


@pytest.fixture
def place(study: Path, model: Path, tmp_path: Path) -> Place:
    """A good study, a good model, and room for results."""
    own = shutil.copytree(model, tmp_path / "weights")
    return Place(study, Path(own), tmp_path / "results")


def typed(row: Row, place: Place) -> list[str]:
    """The command line of a row; its own options come last and win."""
    places = {"study": place.study, "model": place.model, "output": place.output}
    own = [option.format(**places) for option in row.options]
    return [str(place.study), "-o", str(place.output), "--weights", str(place.model), *ON_CPU, *own]


def check_refusal(row: Row, place: Place, stdout: str, stderr: str) -> None:
    """One error line that names what is wrong, one hint, and no more."""
    error, hint = stderr.splitlines()
    assert error.startswith("Error: ")
    assert all(part.format(model=place.model, output=place.output) in error for part in row.names)
    assert hint.startswith("Hint: ")
    assert row.hint in hint
    assert len(hint) > len("Hint: ")
    assert stdout == ""


@pytest.mark.parametrize("case", TABLE)
def test_a_bad_run_says_what_is_wrong_and_leaves_nothing(case: str, place: Place) -> None:
    """Its exit code, one line on stderr that names the culprit, a hint, and no file touched."""
    row = TABLE[case]
    row.spoil(place)
    before = tree(place.study.parent)
    result = CliRunner().invoke(app, ["segment", *typed(row, place)])
    assert result.exit_code == row.code, result.stderr
    check_refusal(row, place, result.stdout, result.stderr)
    assert tree(place.study.parent) == before


@pytest.mark.parametrize(
    "case", ["study: cut short", "study: skull", "model: damaged", "output: below a file"]
)
def test_a_real_process_does_the_same(case: str, place: Place) -> None:
    """What a scheduler sees is what the tests see."""
    row = TABLE[case]
    row.spoil(place)
    before = tree(place.study.parent)
    command = [sys.executable, "-m", "latup_cli", "segment", *typed(row, place)]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert result.returncode == row.code, result.stderr
    check_refusal(row, place, result.stdout, result.stderr)
    assert tree(place.study.parent) == before


def test_an_unknown_model_is_refused(study: Path) -> None:
    """A name that is no shipped model: exit 5, and the names that there are."""
    result = CliRunner().invoke(app, ["segment", str(study), "--model", "z"])
    assert result.exit_code == 5
    error, hint = result.stderr.splitlines()
    assert error == "Error: There is no shipped model 'z'."
    assert hint.startswith("Hint: ")
    assert not (study / "latup").exists()


def test_default_output_leaves_no_empty_folder(study: Path, model: Path) -> None:
    """A study that is refused has no `latup` folder afterwards."""
    (study / FLAIR).write_bytes(b"")
    before = tree(study)
    result = CliRunner().invoke(app, ["segment", str(study), "--weights", str(model)])
    assert result.exit_code == 3
    assert tree(study) == before


def test_weights_that_are_no_graph_are_refused(place: Place) -> None:
    """Text with a matching hash is no model, in either engine."""
    path = place.model / "model.onnx"
    path.write_bytes(b"not a graph" * 99)
    edited(place.model, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    for engine in ("onnxruntime", "openvino"):
        row = Row(5, ("model.onnx",), "Reinstall", options=("--engine", engine))
        result = CliRunner().invoke(app, ["segment", *typed(row, place)])
        assert result.exit_code == 5, result.stderr
        check_refusal(row, place, result.stdout, result.stderr)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_output_is_refused(place: Place) -> None:
    """A share that may only be read is told before the work begins: exit 10."""
    place.output.mkdir()
    place.output.chmod(0o500)
    row = Row(10, ("{output}", "Permission denied"), "-o")
    result = CliRunner().invoke(app, ["segment", *typed(row, place)])
    assert result.exit_code == row.code, result.stderr
    check_refusal(row, place, result.stdout, result.stderr)


def test_nothing_at_all_is_a_usage_error() -> None:
    """Neither a folder nor files: exit 2, and what to give."""
    result = CliRunner().invoke(app, ["segment"])
    assert result.exit_code == 2
    assert "Give a folder, or the four files." in result.stderr
    assert result.stdout == ""
