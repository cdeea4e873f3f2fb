"""Which engine on which device: every decision is a row of a table."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from latup_cli.config import Device
from latup_cli.errors import DeviceError
from latup_cli.inference import cuda_driver
from latup_cli.inference.choose import (
    CUDA_PROVIDER,
    Available,
    Driver,
    explain,
    is_memory_full,
    libraries_not_loaded,
    plan_engines,
    two_runtimes,
    why_no_cuda,
)
from latup_cli.inference.cuda_driver import ask_driver, find_driver

CPU_BUILD = ("AzureExecutionProvider", "CPUExecutionProvider")
GPU_BUILD = (CUDA_PROVIDER, "CPUExecutionProvider")
ONE_GPU = Driver((13, 0), ("H200",))

LAPTOP = Available()
WORKSTATION = Available(
    driver=ONE_GPU, providers=GPU_BUILD, built_for=(13, 0), runtimes=("onnxruntime-gpu",)
)
NO_OPENVINO = Available(missing={"openvino": "openvino is not installed"})
NO_ONNXRUNTIME = Available(missing={"onnxruntime": "onnxruntime is not installed"}, driver=ONE_GPU)
NOTHING = Available(
    missing={"openvino": "openvino is broken", "onnxruntime": "onnxruntime is not installed"}
)
CPU_ONLY_BUILD = Available(driver=ONE_GPU, providers=CPU_BUILD, runtimes=("onnxruntime",))
BOTH_BUILDS = Available(
    driver=ONE_GPU, providers=CPU_BUILD, runtimes=("onnxruntime", "onnxruntime-gpu")
)
NO_GPU = Available(driver=Driver((13, 0), ()), providers=GPU_BUILD, built_for=(13, 0))
OLD_DRIVER = Available(driver=Driver((12, 4), ("T4",)), providers=GPU_BUILD, built_for=(13, 0))
SILENT_DRIVER = Available(driver=Driver((0, 0), ("T4",)), providers=GPU_BUILD, built_for=(13, 0))

OPENVINO, ONNXRUNTIME = "openvino on cpu", "onnxruntime on cpu"


@pytest.mark.parametrize(
    ("device", "engine", "available", "attempts", "reason"),
    [
        ("auto", "auto", LAPTOP, [OPENVINO, ONNXRUNTIME], "there is no NVIDIA driver"),
        ("auto", "auto", WORKSTATION, ["onnxruntime on cuda:0", OPENVINO, ONNXRUNTIME], ""),
        ("auto", "onnxruntime", WORKSTATION, ["onnxruntime on cuda:0", ONNXRUNTIME], ""),
        ("auto", "openvino", WORKSTATION, [OPENVINO], "which does not run on CUDA"),
        ("auto", "auto", NO_OPENVINO, [ONNXRUNTIME], "there is no NVIDIA driver"),
        ("auto", "auto", NO_ONNXRUNTIME, [OPENVINO], "onnxruntime is not installed"),
        ("auto", "auto", CPU_ONLY_BUILD, [OPENVINO, ONNXRUNTIME], "build of onnxruntime has no"),
        ("auto", "auto", BOTH_BUILDS, [OPENVINO, ONNXRUNTIME], "onnxruntime and onnxruntime-gpu"),
        ("auto", "auto", NO_GPU, [OPENVINO, ONNXRUNTIME], "driver finds no GPU"),
        ("auto", "auto", OLD_DRIVER, [OPENVINO, ONNXRUNTIME], "CUDA 12.4 and onnxruntime needs 13"),
        ("auto", "onnxruntime", SILENT_DRIVER, ["onnxruntime on cuda:0", ONNXRUNTIME], ""),
        ("cpu", "auto", WORKSTATION, [OPENVINO, ONNXRUNTIME], "the CPU was asked for"),
        ("cpu", "onnxruntime", WORKSTATION, [ONNXRUNTIME], "the CPU was asked for"),
        ("cpu", "openvino", LAPTOP, [OPENVINO], "the CPU was asked for"),
        ("cuda", "auto", WORKSTATION, ["onnxruntime on cuda:0"], ""),
        ("cuda:0", "onnxruntime", WORKSTATION, ["onnxruntime on cuda:0"], ""),
    ],
)
def test_what_is_tried(
    device: str, engine: str, available: Available, attempts: list[str], reason: str
) -> None:
    """The fastest that may work comes first, and the plan says why nothing better is tried."""
    plan = plan_engines(Device.parse(device), engine, available)
    assert [f"{attempt.engine} on {attempt.device}" for attempt in plan.attempts] == attempts
    assert reason in plan.reason
    assert bool(reason) == bool(plan.reason)


@pytest.mark.parametrize(
    ("device", "engine", "available", "reason"),
    [
        ("cuda", "auto", LAPTOP, "there is no NVIDIA driver"),
        ("cuda", "auto", NO_GPU, "the NVIDIA driver finds no GPU"),
        ("cuda:1", "auto", WORKSTATION, "the last GPU is cuda:0"),
        ("cuda", "auto", OLD_DRIVER, "supports CUDA 12.4"),
        ("cuda", "auto", CPU_ONLY_BUILD, "this build of onnxruntime has no CUDA"),
        ("cuda", "auto", BOTH_BUILDS, "installed together and overwrite each other"),
        ("cuda", "auto", NO_ONNXRUNTIME, "onnxruntime is not installed"),
        ("cuda", "openvino", WORKSTATION, "OpenVINO or its arithmetic was asked for"),
        ("cpu", "openvino", NO_OPENVINO, "openvino is not installed"),
        ("auto", "auto", NOTHING, "openvino is broken; onnxruntime is not installed"),
    ],
)
def test_what_cannot_be_had_is_refused(
    device: str, engine: str, available: Available, reason: str
) -> None:
    """An order that cannot be carried out is exit code 6, with the reason in the message."""
    with pytest.raises(DeviceError) as caught:
        plan_engines(Device.parse(device), engine, available)
    assert reason in str(caught.value)
    assert device in str(caught.value)
    assert caught.value.exit_code == 6
    assert ("--device auto" in caught.value.hint) == device.startswith("cuda")


def test_a_gpu_that_may_work_has_no_reason_against_it() -> None:
    """A driver, a GPU and a build that fit each other leave nothing to say."""
    assert why_no_cuda(Device("cuda"), "auto", WORKSTATION) == ""


@pytest.mark.parametrize(
    ("runtimes", "named"),
    [((), ""), (("onnxruntime-gpu",), ""), (("onnxruntime", "onnxruntime-gpu"), "overwrite")],
)
def test_two_builds_of_one_engine_are_named(runtimes: tuple[str, ...], named: str) -> None:
    """Two distributions of one package are a fault even where CUDA has survived it."""
    said = two_runtimes(runtimes)
    assert bool(said) == bool(named)
    assert named in said
    assert all(name in said for name in runtimes if said)


CODE = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code in a Conv node. "
PLACE = " ; GPU=0 ; hostname=ward-7 ; file=/src/cuda_call.cc ; line=123 ; expr=cudaSetDevice(7);"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (
            f"{CODE}bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 9395",
            "its memory is full",
        ),
        (f"CUDA failure 2: out of memory{PLACE}", "its memory is full"),
        ("std::bad_alloc", "its memory is full"),
        (f"CUDA failure 101: invalid device ordinal{PLACE}", "there is no GPU with this number"),
        (
            f"CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version{PLACE}",
            "the NVIDIA driver is too old",
        ),
        (f"CUDA failure 100: no CUDA-capable device{PLACE}", "the NVIDIA driver finds no GPU"),
        ("CUDA failure 209: no kernel image is available", "does not know this GPU"),
        ('LoadLibrary failed with error 126 "" when trying to load\nmore', "is missing"),
        ("libcudnn.so.9: cannot open shared object file: No such file", "is missing"),
        (f"[ONNXRuntimeError] : 1 : FAIL : CUDA failure 999: unknown{PLACE}", "CUDA failure 999"),
        ("Something new.\nwith a second line", "Something new"),
        ("", ""),
    ],
)
def test_errors_are_told_in_words(error: str, meaning: str) -> None:
    """What ONNX Runtime says becomes a cause, without source lines, codes or host names."""
    said = explain(error)
    assert meaning in said
    assert "hostname" not in said
    assert "ward-7" not in said
    assert "ONNXRuntimeError" not in said
    assert "\n" not in said
    assert is_memory_full(error) == (meaning == "its memory is full")


def test_a_long_error_is_cut() -> None:
    """A reason stays readable in one line of the terminal and of the report."""
    assert len(explain("x" * 1000)) < 200


def test_libraries_that_were_not_loaded_are_read_from_what_is_printed() -> None:
    """Each library is named once, in the order in which it was missed."""
    printed = (
        "Failed to load libcublas.so.13: libcublas.so.13: cannot open shared object file\n"
        "Failed to load libcurand.so.10: no such file\nPlease follow https://example.org\n"
        "Failed to load libcublas.so.13: again\n"
    )
    assert libraries_not_loaded(printed) == ("libcublas.so.13", "libcurand.so.10")
    assert libraries_not_loaded("") == ()


def library(
    version: int = 13020, names: tuple[bytes, ...] = (b"H200", b"T4"), failing: str = ""
) -> SimpleNamespace:
    """A driver's library in Python; a function that fails returns an error code."""

    def answers(name: str, action: object) -> int:
        return 100 if name == failing else int(action is None)

    def write(pointer: object, value: int) -> object:
        pointer._obj.value = value  # type: ignore[attr-defined]
        return pointer

    def device_name(text: ctypes.Array[ctypes.c_char], size: int, gpu: int) -> int:
        assert size >= len(names[gpu])
        text.value = names[gpu]
        return 0

    return SimpleNamespace(
        cuInit=lambda _flags: answers("cuInit", 1),
        cuDriverGetVersion=lambda p: answers("cuDriverGetVersion", write(p, version)),
        cuDeviceGetCount=lambda p: answers("cuDeviceGetCount", write(p, len(names))),
        cuDeviceGetName=device_name,
    )


@pytest.mark.parametrize(
    ("asked", "driver"),
    [
        (library(), Driver((13, 2), ("H200", "T4"))),
        (library(version=12040, names=(b"",)), Driver((12, 4), ("GPU",))),
        (library(failing="cuInit"), Driver((13, 2), ())),
        (library(failing="cuDeviceGetCount"), Driver((13, 2), ())),
        (library(failing="cuDriverGetVersion"), Driver((0, 0), ("H200", "T4"))),
        (SimpleNamespace(), Driver((0, 0), ())),
    ],
)
def test_the_driver_is_asked(asked: SimpleNamespace, driver: Driver) -> None:
    """CUDA's version and the GPUs' names are the driver's; one that fails has no GPU."""
    assert ask_driver(asked) == driver


def test_no_library_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver's library cannot be loaded there is no driver, and no error."""
    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libno-such-driver.so.1")
    assert find_driver() is None


@pytest.mark.skipif(sys.platform != "linux", reason="names a library of Linux")
def test_a_library_of_another_kind_is_a_driver_without_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real library that lacks the driver's functions is asked and found to have no GPU."""
    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libc.so.6")
    assert find_driver() == Driver((0, 0), ())
