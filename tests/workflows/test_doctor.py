"""The doctor finds what is broken, says so in one line each, and never breaks itself."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import latup_cli.inference as package
from latup_cli.config import Device, InferenceSettings, SegmentSettings
from latup_cli.errors import ImageNotFoundError
from latup_cli.inference import onnxruntime_engine, openvino_engine
from latup_cli.inference.choose import CUDA_PROVIDER, Driver
from latup_cli.inference.processor import AVX2, AVX512_VNNI, Processor
from latup_cli.workflows import checks, doctor, engines, machine
from latup_cli.workflows import sample as sample_workflow
from latup_cli.workflows.checks import CHECKS, SMALLEST_DICE, Found, Status
from latup_cli.workflows.doctor import Check, Examination, examination_json, examine
from tests.fixtures.models import ENTRY, edited
from tests.fixtures.phantoms import phantom, save, write_study

pytestmark = pytest.mark.usefixtures("sample")
ENGINE_MODULES = (onnxruntime_engine, openvino_engine)  # loaded before a test takes one away


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample study with its answer, where the package keeps its own."""
    root = tmp_path / "data"
    folder = root / "brats-like" / sample_workflow.SAMPLE
    made = phantom()
    write_study(folder, made.volumes(), prefix="LATUP-SAMPLE-001_")
    save(folder / "LATUP-SAMPLE-001_seg.nii.gz", made.answer, made.grid.ras_from_voxel)
    monkeypatch.setattr(sample_workflow, "sample_root", lambda: root)
    return folder


@pytest.fixture
def settings(model: Path) -> Callable[..., SegmentSettings]:
    """A function from device and engine to settings."""

    def make(device: str = "cpu", engine: str = "onnxruntime") -> SegmentSettings:
        inference = InferenceSettings(device=Device.parse(device), engine=engine)
        return SegmentSettings(weights=model, inference=inference)

    return make


def look(name: str, settings: SegmentSettings) -> Found:
    """One check alone."""
    return CHECKS[name][0](settings)


def by_name(examination: Examination) -> dict[str, Check]:
    """Checks by their name."""
    return {check.name: check for check in examination.checks}


def test_a_good_installation_passes(settings: Callable[..., SegmentSettings]) -> None:
    """Every check is done in order, the sample is segmented and scored, and the code is 0."""
    announced: list[str] = []
    examination = examine(settings(), announce=announced.append)
    assert examination.failed == ()
    assert examination.exit_code == 0
    assert announced == [check.name for check in examination.checks] == list(CHECKS)
    found = {name: check.found for name, check in by_name(examination).items()}
    scores: Any = found["sample"].facts["dice"]
    assert set(scores) == {"WT", "TC", "ET"}
    assert SMALLEST_DICE <= scores["WT"] <= 1.0
    assert f"WT {scores['WT']:.3f}" in found["sample"].text
    assert found["device"].facts["used"] == "cpu"
    assert 0 < float(str(found["device"].facts["seconds_per_window"])) < 600
    assert found["model"].facts["sha256"][:12] in found["model"].text  # type: ignore[index]
    assert "CUDA" in found["onnxruntime"].text
    assert "FP32" in found["openvino"].text
    assert "numpy" in found["software"].text


def test_the_page_is_the_same_for_programs(settings: Callable[..., SegmentSettings]) -> None:
    """JSON holds every line, its status and its facts, and is plain JSON."""
    examination = examine(settings())
    page = json.loads(json.dumps(examination_json(examination), allow_nan=False))
    assert page["works"] is True
    assert page["exit_code"] == 0
    assert page["failed"] == []
    assert [line["name"] for line in page["checks"]] == list(CHECKS)
    assert {line["status"] for line in page["checks"]} <= {"ok", "warning", "failed"}
    assert page["checks"][-1]["facts"]["dice"]["WT"] >= SMALLEST_DICE


def test_a_damaged_model_is_code_5(
    settings: Callable[..., SegmentSettings], model: Path, tmp_path: Path
) -> None:
    """A wrong hash fails the model, and what needs the model is not tried."""
    damaged = shutil.copytree(model, tmp_path / "damaged")
    with (damaged / "model.onnx").open("ab") as weights:
        weights.write(b"0")
    inference = settings().inference
    examination = examine(SegmentSettings(weights=damaged, inference=inference))
    assert examination.exit_code == 5
    assert examination.failed == ("model", "device", "precision", "sample")
    lines = by_name(examination)
    assert "damaged" in lines["model"].found.text
    assert lines["sample"].found.text == "not tried, because of: model, device"


def test_a_gpu_that_is_not_there_is_code_6(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA that was asked for and cannot be had fails the device; `auto` would not."""
    monkeypatch.setattr(engines, "find_driver", lambda: None)
    examination = examine(settings("cuda", "auto"))
    assert examination.exit_code == 6
    assert examination.failed == ("device", "precision", "sample")
    device = by_name(examination)["device"].found
    assert "there is no NVIDIA driver" in device.text
    assert "latup[cuda]" in device.hint
    assert look("cuda", settings("auto")).status is Status.OK


def test_no_engine_is_code_6_and_no_crash(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both engines are broken the page still has all its lines."""
    for engine in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, f"latup_cli.inference.{engine}_engine", None)
        monkeypatch.delattr(package, f"{engine}_engine")
    examination = examine(settings("auto", "auto"))
    assert len(examination.checks) == len(CHECKS)
    assert examination.exit_code == 6
    lines = by_name(examination)
    for engine in ("onnxruntime", "openvino"):
        assert lines[engine].found.status is Status.WARNING
        assert "cannot be imported" in lines[engine].found.text
        assert "pip install" in lines[engine].found.hint
    assert "openvino" in lines["device"].found.text
    assert "onnxruntime" in lines["device"].found.text


def test_one_engine_that_is_missing_is_a_warning(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main job works with one engine, and the page names the other's absence."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "latup_cli.inference.openvino_engine", None)
    monkeypatch.delattr(package, "openvino_engine")
    assert look("openvino", settings()).status is Status.WARNING
    device = look("device", settings("cpu", "auto"))
    assert device.status is Status.OK
    assert str(device.facts["engine"]).startswith("onnxruntime")


@pytest.mark.parametrize(
    ("driver", "providers", "runtimes", "said"),
    [
        (Driver((12, 4), ("T4",)), (CUDA_PROVIDER,), ("onnxruntime-gpu",), "CUDA 12.4, T4"),
        (Driver((13, 0), ()), (CUDA_PROVIDER,), ("onnxruntime-gpu",), "finds no GPU"),
        (Driver((13, 0), ("T4",)), (), ("onnxruntime",), "has no CUDA"),
        (Driver((13, 0), ("T4",)), (), ("onnxruntime", "onnxruntime-gpu"), "overwrite each other"),
    ],
)
def test_a_gpu_that_lies_idle_is_a_warning(
    driver: Driver,
    providers: tuple[str, ...],
    runtimes: tuple[str, ...],
    said: str,
    settings: Callable[..., SegmentSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A driver that cannot be used is told with the CUDA found, the CUDA needed, and the fault."""
    monkeypatch.setattr(engines, "find_driver", lambda: driver)
    monkeypatch.setattr(engines, "installed", lambda _names: runtimes)
    monkeypatch.setattr(onnxruntime_engine, "providers", lambda: providers)
    monkeypatch.setattr(onnxruntime_engine, "built_for_cuda", lambda: (13, 0))
    found = look("cuda", settings("auto"))
    assert found.status is Status.WARNING
    assert said in found.text
    assert found.facts["driver_cuda"] == f"{driver.cuda[0]}.{driver.cuda[1]}"
    assert found.hint
    monkeypatch.setattr(onnxruntime_engine, "providers", lambda: (CUDA_PROVIDER,))
    monkeypatch.setattr(engines, "installed", lambda _names: ("onnxruntime-gpu",))
    monkeypatch.setattr(engines, "find_driver", lambda: Driver((13, 1), ("T4",)))
    fits = look("cuda", settings("auto"))
    assert (fits.status, fits.text) == (Status.OK, "a driver for CUDA 13.1, T4")


def test_two_builds_of_onnxruntime_are_named(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both distributions installed together is a warning with the way out, also without a GPU."""
    both = ("onnxruntime", "onnxruntime-gpu")
    monkeypatch.setattr(engines, "installed", lambda _names: both)
    found = look("onnxruntime", settings())
    assert found.status is Status.WARNING
    assert "onnxruntime and onnxruntime-gpu" in found.text
    assert found.hint.startswith("Uninstall all of them")
    assert found.facts["installed"] == list(both)


def test_a_missing_sample_is_code_1(settings: Callable[..., SegmentSettings], sample: Path) -> None:
    """Without the sample the main job is not proved, and the page says where it should lie."""
    shutil.rmtree(sample)
    examination = examine(settings())
    assert examination.exit_code == 1
    assert examination.failed == ("sample",)
    line = by_name(examination)["sample"].found
    assert str(sample) in line.text
    assert line.hint


def test_a_missing_answer_is_a_failure(
    settings: Callable[..., SegmentSettings], sample: Path
) -> None:
    """A sample without its known answer proves nothing."""
    (sample / "LATUP-SAMPLE-001_seg.nii.gz").unlink()
    examination = examine(settings())
    assert examination.failed == ("sample",)
    assert "seg.nii.gz" in by_name(examination)["sample"].found.text


def test_a_wrong_mask_is_a_failure(settings: Callable[..., SegmentSettings], sample: Path) -> None:
    """A mask that misses the known answer fails, with the Dice that was reached."""
    made = phantom()
    elsewhere = np.flip(made.answer, axis=0).copy()
    save(sample / "LATUP-SAMPLE-001_seg.nii.gz", elsewhere, made.grid.ras_from_voxel)
    examination = examine(settings())
    assert examination.exit_code == 1
    assert examination.failed == ("sample",)
    line = by_name(examination)["sample"].found
    scores: Any = line.facts["dice"]
    assert scores["WT"] < SMALLEST_DICE
    assert f"WT must reach {SMALLEST_DICE}" in line.text


def test_nothing_is_written_beside_the_sample(
    settings: Callable[..., SegmentSettings], sample: Path
) -> None:
    """The self-test leaves the installation as it was."""
    before = sorted(path.name for path in sample.parent.rglob("*"))
    assert look("sample", settings()).status is Status.OK
    assert sorted(path.name for path in sample.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "function", "free", "status"),
    [
        ("memory", "free_memory", 8_000_000_000, Status.OK),
        ("memory", "free_memory", 500_000_000, Status.WARNING),
        ("memory", "free_memory", None, Status.OK),
        ("disk", "free_disk", 50_000_000_000, Status.OK),
        ("disk", "free_disk", 10_000_000, Status.WARNING),
    ],
)
def test_little_room_is_a_warning(
    name: str,
    function: str,
    free: int | None,
    status: Status,
    settings: Callable[..., SegmentSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory and disk are told in GB, and too little of either is a warning with a hint."""
    monkeypatch.setattr(machine, function, lambda *_: free)
    found = look(name, settings())
    assert found.status is status
    assert bool(found.hint) == (status is Status.WARNING)
    assert found.facts["free_bytes"] == free
    assert free is None or f"{free / 1e9:.1f} GB" in found.text


def test_a_slow_processor_is_a_warning(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor without fast vectors works, and the page says that it is slow."""
    monkeypatch.setattr(machine, "instruction_sets", lambda: ("SSE", "SSE42"))
    found = look("processor", settings())
    assert found.status is Status.WARNING
    assert "AVX2" in found.hint
    assert "SSE42" in found.text


def test_a_missing_library_is_a_failure(
    settings: Callable[..., SegmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dependency that is not installed is named."""
    monkeypatch.setattr(checks, "_LIBRARIES", ("numpy", "no-such-library"))
    found = look("software", settings())
    assert found.status is Status.FAILED
    assert "no-such-library" in found.text


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (ValueError("first\nsecond"), "ValueError: first", 1),
        (RuntimeError(), "RuntimeError: ", 1),
        (ImageNotFoundError(Path("x.nii"), "t1"), "x.nii", 1),
    ],
)
def test_whatever_goes_wrong_is_one_line(
    error: Exception,
    text: str,
    code: int,
    settings: Callable[..., SegmentSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody foresaw fails its check and no other."""

    def broken(_: SegmentSettings) -> Found:
        raise error

    fine = (lambda _: Found("fine"), ())
    monkeypatch.setattr(doctor, "CHECKS", {"first": (broken, ()), "second": fine})
    examination = examine(settings())
    assert examination.failed == ("first",)
    assert examination.exit_code == code
    line = by_name(examination)["first"].found
    assert line.text.startswith(text)
    assert "\n" not in line.text
    assert line.hint


def result(status: Status, code: int) -> Check:
    """A line of which only the status and the code matter."""
    return Check("x", Found("", status), code)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], 0),
        ([(Status.OK, 0), (Status.WARNING, 0)], 0),
        ([(Status.FAILED, 1)], 1),
        ([(Status.FAILED, 3)], 1),
        ([(Status.FAILED, 10), (Status.FAILED, 6)], 6),
        ([(Status.FAILED, 6), (Status.FAILED, 5), (Status.FAILED, 1)], 5),
        ([(Status.OK, 5), (Status.FAILED, 1)], 1),
    ],
)
def test_the_exit_code_names_the_cause(lines: list[tuple[Status, int]], code: int) -> None:
    """5 for the model before 6 for the device, else 1; warnings alone are 0."""
    assert Examination(tuple(result(*line) for line in lines)).exit_code == code


def offering_int8(model: Path, folder: Path, change: Callable[[bytes], bytes]) -> SegmentSettings:
    """Settings for a copy of a model whose graph for int8 was changed."""
    copy = shutil.copytree(model, folder)
    content = change((copy / "model.onnx").read_bytes())
    (copy / "model.int8.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    edited(copy, precisions={"int8": {**ENTRY, "file": "model.int8.onnx", "sha256": sha256}})
    return SegmentSettings(weights=copy, inference=InferenceSettings(device=Device("cpu")))


def seeing_no_difference(graph: bytes) -> bytes:
    """The same network with all weights zero."""
    network = onnx.load_from_string(graph)
    for tensor in network.graph.initializer:
        zeros = np.zeros_like(numpy_helper.to_array(tensor))
        if zeros.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(zeros, tensor.name))
    return network.SerializeToString()


def test_shorter_arithmetic_is_compared(model: Path, tmp_path: Path) -> None:
    """Each precision is said beside float32, with how much of its time it takes."""
    found = look("precision", offering_int8(model, tmp_path / "copy", lambda graph: graph))
    assert found.status is Status.OK
    assert "int8 agrees by Dice 1.0000" in found.text
    facts: Any = found.facts["int8"]
    assert facts["agreement"] == 1.0
    assert facts["time"] > 0


@pytest.mark.parametrize(
    ("feature", "status"), [(AVX512_VNNI, Status.FAILED), (AVX2, Status.WARNING)]
)
def test_wrong_arithmetic_is_found(
    feature: str, status: Status, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be taken by default fails the page, what has to be asked for is a warning."""
    here = Processor("a processor", frozenset({feature}))
    monkeypatch.setattr(engines, "read_processor", lambda _: here)
    found = look("precision", offering_int8(model, tmp_path / "copy", seeing_no_difference))
    assert found.status is status
    assert "int8 must reach 0.98" in found.text
    assert "--precision float32" in found.hint
    facts: Any = found.facts["int8"]
    assert facts["agreement"] < 0.5
    assert facts["is_default"] is (status is Status.FAILED)


def test_a_comparison_that_fails_is_no_failure(model: Path, tmp_path: Path, sample: Path) -> None:
    """Without the sample there is nothing to compare on; the main job may work all the same."""
    shutil.rmtree(sample)
    found = look("precision", offering_int8(model, tmp_path / "copy", lambda graph: graph))
    assert found.status is Status.WARNING
    assert found.text.startswith("not compared")
    assert found.hint
