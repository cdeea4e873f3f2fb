"""Engines agree, say where they really run, fail in words, and print nothing of their own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from onnx import save as save_onnx

import latup_cli.inference as package
from latup_cli.config import Device, InferenceSettings
from latup_cli.errors import (
    DeviceError,
    DeviceMemoryError,
    EngineNameError,
    ModelMismatchError,
    NotEnoughMemoryError,
    PrecisionMissingError,
)
from latup_cli.inference import onnxruntime_engine, openvino_engine
from latup_cli.inference.choose import CUDA_PROVIDER, Available, Driver
from latup_cli.inference.models import Graph, GraphFile, Model, load_model
from latup_cli.inference.onnxruntime_engine import CPU_PROVIDER
from latup_cli.inference.processor import AVX2, AVX512_VNNI, Processor
from latup_cli.inference.quiet import quiet
from latup_cli.inference.windows import Array
from latup_cli.workflows import engines
from latup_cli.workflows.engines import open_engine
from tests.fixtures.models import hand_made_model

WORKSTATION = Available(
    driver=Driver((13, 0), ("H200",)),
    providers=(CUDA_PROVIDER, CPU_PROVIDER),
    built_for=(13, 0),
    runtimes=("onnxruntime-gpu",),
)
MEMORY_FULL = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running "
    "Conv node. Failed to allocate memory for requested buffer of size 939524096"
)
RealSession = ort.InferenceSession


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A LATUP-Net with four filters and a small window."""
    model = load_model(hand_made_model(tmp_path_factory.mktemp("engines")))
    return replace(model, spec=replace(model.spec, window=(16, 16, 24)))


@pytest.fixture(scope="session")
def window(made: Model) -> Array:
    """(1, 4, 16, 16, 24): as many voxels as the model's window."""
    size = (1, len(made.spec.channels), *made.spec.window)
    return np.random.default_rng(1).normal(size=size).astype(np.float32)


@pytest.fixture(scope="session")
def answer(made: Model, window: Array) -> Array:
    """What ONNX Runtime says about that window on the CPU."""
    return onnxruntime_engine.open_on_cpu(made.graph)(window)


def asked(device: str, engine: str = "auto") -> InferenceSettings:
    """Settings for a device."""
    return InferenceSettings(device=Device.parse(device), engine=engine)


class CudaInName:
    """A session on the CPU that says it is on CUDA, and then does what a test needs."""

    def __init__(self, session: ort.InferenceSession, answer: Callable[[Array], Array]) -> None:
        self.session = session
        self.answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        """CUDA first."""
        return [CUDA_PROVIDER, CPU_PROVIDER]

    def run(self, names: None, inputs: dict[str, Array]) -> list[Array]:
        """The CPU's answer, changed."""
        (window,) = inputs.values()
        self.answer(window)
        (probabilities,) = self.session.run(names, inputs)
        return [probabilities + self.answer(window)]


def with_cuda(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Any], Any], *, prints: str = ""
) -> list[dict[str, Any]]:
    """Pretend that a driver and a CUDA build are there; returns the options of CUDA sessions."""
    seen: list[dict[str, Any]] = []

    def session(path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> Any:
        assert enable_fallback == 0
        if providers == [CPU_PROVIDER]:
            return RealSession(path, options, providers=providers)
        seen.append(dict([providers[0]])[CUDA_PROVIDER])
        return make(RealSession(path, options, providers=[CPU_PROVIDER]))

    monkeypatch.setattr(onnxruntime_engine.ort, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime_engine.ort, "preload_dlls", lambda: sys.stdout.write(prints))
    monkeypatch.setattr(engines, "available", lambda **_: WORKSTATION)
    return seen


def raising(error: Exception) -> Callable[[Any], Any]:
    """A session that cannot be made."""

    def make(_: Any) -> Any:
        raise error

    return make


def answering(change: Callable[[Array], Any]) -> Callable[[Any], Any]:
    """A session that adds something to every answer."""
    return lambda session: CudaInName(session, change)


def nothing(_: Array) -> float:
    """No change."""
    return 0.0


# --- the CPU ------------------------------------------------------------------------------


def test_engines_agree(made: Model, window: Array, answer: Array) -> None:
    """OpenVINO and ONNX Runtime give the same probabilities, which sum to one."""
    other = openvino_engine.open_on_cpu(made.graph)(window)
    assert other.dtype == answer.dtype == np.float32
    assert other.shape == answer.shape == (1, 4, *made.spec.window)
    np.testing.assert_allclose(other, answer, atol=1e-4)
    np.testing.assert_allclose(answer.sum(axis=1), 1.0, atol=1e-5)
    assert np.ptp(answer) > 0.5


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_engine_asked_for_is_the_one_used(engine: str, made: Model) -> None:
    """What is recorded names the engine, its version, the device asked for and the one used."""
    runs_on = open_engine(made.graph, asked("cpu", engine)).runs_on
    assert runs_on.engine.split()[0] == engine
    assert runs_on.engine.split()[1][0].isdigit()
    assert (runs_on.asked, runs_on.used) == ("cpu", "cpu")
    assert runs_on.provider in {"CPU", CPU_PROVIDER}
    assert runs_on.reason == "the CPU was asked for"


def test_threads_are_kept(made: Model) -> None:
    """A number of threads reaches both engines."""
    session = onnxruntime_engine.open_on_cpu(made.graph, threads=1).session
    assert session.get_session_options().intra_op_num_threads == 1
    compiled = openvino_engine.open_on_cpu(made.graph, threads=1).compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1


def offering(made: Model, **precisions: bool) -> Graph:
    """The network's graph, said to be measured in these precisions; allowed as default or not."""
    files = {
        name: GraphFile(made.path, made.spec.sha256, default)
        for name, default in precisions.items()
    }
    return replace(made.graph, precisions=files)


def on_processor(monkeypatch: pytest.MonkeyPatch, *features: str) -> None:
    """Pretend that the processor has these features and no others."""
    found = Processor("a processor", frozenset(features))
    monkeypatch.setattr(engines, "read_processor", lambda _: found)


def test_the_default_precision_is_told_with_its_reason(
    made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the processor is fast at it and the model allows it, shorter arithmetic is used."""
    graph = offering(made, int8=True)
    on_processor(monkeypatch, AVX512_VNNI)
    runs_on = open_engine(graph, asked("cpu")).runs_on
    assert runs_on.precision == "int8"
    assert "512-bit" in runs_on.precision_reason
    on_processor(monkeypatch, AVX2)
    assert open_engine(graph, asked("cpu")).runs_on.precision == "float32"
    runs_on = open_engine(graph, asked("cpu", "onnxruntime")).runs_on
    assert (runs_on.precision, runs_on.engine.split()[0]) == ("float32", "onnxruntime")


def test_the_report_knows_threads_and_options(made: Model) -> None:
    """What ran is told with the threads that computed and what the engine was told."""
    settings = InferenceSettings(device=Device("cpu"), engine="openvino", threads=1)
    runs_on = open_engine(made.graph, settings).runs_on
    assert runs_on.threads == 1
    assert runs_on.options["INFERENCE_NUM_THREADS"] == "1"
    assert runs_on.options["INFERENCE_PRECISION_HINT"] == "f32"
    plain = open_engine(made.graph, asked("cpu", "onnxruntime")).runs_on
    assert plain.threads >= 1
    assert plain.options == {}


def test_precision_on_cuda_reaches_the_provider(
    made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensor cores may round products unless float32 is asked for, and the report says which."""
    seen = with_cuda(monkeypatch, answering(nothing))
    short = open_engine(made.graph, asked("cuda")).runs_on
    settings = InferenceSettings(device=Device("cuda"), precision="float32")
    whole = open_engine(made.graph, settings).runs_on
    assert (short.precision, whole.precision) == ("tf32", "float32")
    assert [options["use_tf32"] for options in seen] == ["1", "0"]
    assert whole.options == seen[1]
    assert whole.threads == 0


def test_a_precision_of_the_cpu_does_not_try_cuda(
    made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """int8 under auto is OpenVINO's, also on a computer with a GPU."""
    seen = with_cuda(monkeypatch, answering(nothing))
    graph = offering(made, int8=False)
    runs_on = open_engine(graph, InferenceSettings(precision="int8")).runs_on
    assert (runs_on.used, runs_on.precision) == ("cpu", "int8")
    assert runs_on.reason.startswith("OpenVINO or its arithmetic was asked for")
    assert seen == []
    with pytest.raises(PrecisionMissingError):
        open_engine(made.graph, InferenceSettings(precision="int8"))


@pytest.mark.parametrize("engine", ["auto", "openvino", "onnxruntime"])
def test_what_will_not_fit_is_refused_before_it_is_opened(
    engine: str, made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is foreseen to need more memory than there is ends with exit code 6."""
    graph = replace(made.graph, bytes_per_voxel={"openvino float32": 1e5}, smaller=(8, 8, 8))
    monkeypatch.setattr(engines.memory, "free_bytes", lambda: 1_000_000)
    with pytest.raises(NotEnoughMemoryError, match="16 x 16 x 24") as caught:
        open_engine(graph, asked("cpu", engine))
    assert caught.value.exit_code == 6
    assert "--low-memory: windows of 8x8x8" in caught.value.hint
    monkeypatch.setattr(engines.memory, "free_bytes", lambda: 2 * 10**9)
    assert open_engine(graph, asked("cpu", engine)).runs_on.used == "cpu"


def test_arithmetic_is_not_shortened(made: Model) -> None:
    """OpenVINO computes in float32 also where the processor has bfloat16."""
    compiled = openvino_engine.open_on_cpu(made.graph).compiled
    assert "32" in str(compiled.get_property("INFERENCE_PRECISION_HINT"))


def test_an_unknown_engine_is_a_usage_error() -> None:
    """A name that no engine has is exit code 2, and the hint lists those there are."""
    with pytest.raises(EngineNameError, match="tensorrt") as caught:
        InferenceSettings(engine="tensorrt")
    assert caught.value.exit_code == 2
    assert "openvino" in caught.value.hint


def softmax_graph(path: Path, channels: int, rank: int = 5) -> Path:
    """An ONNX graph that is no LATUP-Net: softmax over its channels."""
    shape = ["n", channels, "i", "j", "k", "l"][:rank]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    graph = helper.make_graph([node], "softmax", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    save_onnx(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "openvino"])
@pytest.mark.parametrize("content", ["garbage", "three channels", "four axes"])
def test_a_graph_that_is_not_the_described_one_is_refused(
    engine: str, content: str, made: Model, tmp_path: Path
) -> None:
    """Bytes that are no graph, and a graph with other channels or axes, are model errors."""
    path = tmp_path / "model.onnx"
    if content == "garbage":
        path.write_bytes(b"not a graph" * 9)
    else:
        channels = {"three channels": 3, "four axes": 4}[content]
        softmax_graph(path, channels, rank=4 if content == "four axes" else 5)
    with pytest.raises(ModelMismatchError, match=r"model\.onnx") as caught:
        open_engine(Model(made.spec, path).graph, asked("cpu", engine))
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(MEMORY_FULL)])
def test_full_memory_is_said(error: Exception, made: Model, window: Array) -> None:
    """Memory that runs out on the CPU is exit code 6 with a hint, in both engines."""

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    session = onnxruntime_engine.open_on_cpu(made.graph).session
    fake = SimpleNamespace(run=fails, get_inputs=session.get_inputs)
    for network in (
        onnxruntime_engine.OnnxRuntimeModel(fake, CPU_PROVIDER, "cpu"),
        openvino_engine.OpenVinoModel(fails),
    ):
        with pytest.raises(DeviceMemoryError, match="cpu cannot be used: its memory") as caught:
            network(window)
        assert caught.value.exit_code == 6
        assert "Close other programs" in caught.value.hint


def test_our_own_mistakes_are_not_called_a_device_error(made: Model, window: Array) -> None:
    """A window of a wrong shape stays the engine's error on the CPU."""
    for opened in (
        onnxruntime_engine.open_on_cpu(made.graph),
        openvino_engine.open_on_cpu(made.graph),
    ):
        with pytest.raises(Exception, match=r"(?i)shape|dimension|rank") as caught:
            opened(window[0])
        assert not isinstance(caught.value, DeviceError)


# --- engines that are not there ---------------------------------------------------------------


def without(monkeypatch: pytest.MonkeyPatch, engine: str, *, broken: bool) -> None:
    """Take an engine away: not installed, or installed and not importable."""
    module = f"{engine}_engine"
    if not broken:
        monkeypatch.setitem(sys.modules, engine, None)
    monkeypatch.setitem(sys.modules, f"latup_cli.inference.{module}", None)
    monkeypatch.delattr(package, module)


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize(
    ("gone", "left"), [("openvino", "onnxruntime"), ("onnxruntime", "openvino")]
)
def test_one_engine_is_enough(
    gone: str, left: str, broken: bool, made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one engine is missing or broken, the other does the work."""
    without(monkeypatch, gone, broken=broken)
    monkeypatch.setattr(engines, "find_driver", lambda: Driver((13, 0), ("H200",)))
    opened = open_engine(made.graph, asked("auto" if gone == "onnxruntime" else "cpu"))
    assert opened.runs_on.engine.startswith(left)
    if gone == "onnxruntime":
        assert "cannot be imported" in opened.runs_on.reason or not broken
        assert "onnxruntime" in opened.runs_on.reason


@pytest.mark.parametrize("broken", [False, True])
def test_no_engine_is_a_device_error(
    broken: bool, made: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both engines are gone, the message names both."""
    without(monkeypatch, "openvino", broken=broken)
    without(monkeypatch, "onnxruntime", broken=broken)
    with pytest.raises(DeviceError, match=r"openvino.*; .*onnxruntime") as caught:
        open_engine(made.graph, asked("cpu"))
    assert caught.value.exit_code == 6
    assert "latup doctor" in caught.value.hint


def test_onnxruntime_is_not_loaded_where_there_is_no_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a driver nothing has to be asked of ONNX Runtime, which takes time to import."""
    monkeypatch.setattr(onnxruntime_engine, "providers", lambda: pytest.fail("it was asked"))
    monkeypatch.setattr(engines, "find_driver", lambda: None)
    assert engines.available().driver is None
    monkeypatch.setattr(engines, "find_driver", lambda: pytest.fail("the driver was asked"))
    assert engines.available(look_for_cuda=False).providers == ()


def test_what_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a driver, the build's providers and the CUDA that it needs are known."""
    driver = Driver((13, 0), ("H200",))
    monkeypatch.setattr(engines, "find_driver", lambda: driver)
    found = engines.available()
    assert found.driver == driver
    assert CPU_PROVIDER in found.providers
    assert found.missing == {}
    assert (found.built_for > (0, 0)) == (CUDA_PROVIDER in found.providers)
    assert any(name.startswith("onnxruntime") for name in found.runtimes)


@pytest.mark.parametrize(
    ("version", "needs"), [("13.0", (13, 0)), ("12.8.1", (12, 8)), ("13", (13, 0)), ("", (0, 0))]
)
def test_the_cuda_of_a_build_is_read(
    version: str, needs: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build says which CUDA it needs; one without CUDA says nothing."""
    monkeypatch.setattr(onnxruntime_engine.ort, "cuda_version", version, raising=False)
    assert onnxruntime_engine.built_for_cuda() == needs


# --- CUDA, and what goes wrong with it ----------------------------------------------------------


def test_a_gpu_that_works_is_used(
    made: Model, window: Array, answer: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA that is read back and computes what the CPU does is used, on the GPU asked for."""
    seen = with_cuda(monkeypatch, answering(nothing))
    for device in ("auto", "cuda:0"):
        opened = open_engine(made.graph, asked(device))
        assert (opened.runs_on.asked, opened.runs_on.used) == (device, "cuda:0")
        assert opened.runs_on.provider == CUDA_PROVIDER
        np.testing.assert_array_equal(opened.predict(window), answer)
        assert opened.warnings == ()
    opened_directly = onnxruntime_engine.open_on_cuda(made.graph, Device("cuda", 3))
    assert opened_directly.device == "cuda:3"
    assert [options["device_id"] for options in seen] == ["0", "0", "3"]


FAILURES: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "a session on the CPU without an error (onnxruntime #23372)": (
        lambda session: session,
        "Failed to load libcublas.so.13: libcublas.so.13: cannot open shared object file\n",
        "libcublas.so.13 cannot be loaded",
    ),
    "the same, and nothing printed": (lambda session: session, "", "libraries of CUDA and cuDNN"),
    "an exception instead of a fallback (onnxruntime #21424)": (
        raising(RuntimeError('LoadLibrary failed with error 126 ""\nmore')),
        "",
        "a library of CUDA or cuDNN is missing",
    ),
    "an index without a GPU": (
        raising(RuntimeError("CUDA failure 101: invalid device ordinal ; GPU=7 ; hostname=w7")),
        "",
        "there is no GPU with this number",
    ),
    "no memory for the weights": (raising(RuntimeError(MEMORY_FULL)), "", "its memory is full"),
    "an error without words": (raising(RuntimeError()), "", "RuntimeError"),
    "other answers": (answering(lambda _: 0.5), "", "differ from the CPU's by 0.5"),
    "answers that are no numbers": (answering(lambda _: np.float32("nan")), "", "by nan"),
    "a tile that fails": (
        answering(lambda _: (_ for _ in ()).throw(RuntimeError("CUDA failure 700: illegal"))),
        "",
        "CUDA failure 700",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_cuda_that_does_not_work_is_seen(
    failure: str,
    made: Model,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`cuda` is exit code 6 and `auto` the CPU, each with the cause, and nothing is printed."""
    make, prints, reason = FAILURES[failure]
    with_cuda(monkeypatch, make, prints=prints)
    with pytest.raises(DeviceError) as caught:
        open_engine(made.graph, asked("cuda"))
    assert caught.value.exit_code == 6
    assert str(caught.value).startswith("cuda:0 cannot be used: ")
    assert reason in str(caught.value)
    assert "--device auto" in caught.value.hint
    runs_on = open_engine(made.graph, asked("auto", "onnxruntime")).runs_on
    assert (runs_on.asked, runs_on.used, runs_on.provider) == ("auto", "cpu", CPU_PROVIDER)
    assert reason in runs_on.reason
    assert "\n" not in runs_on.reason
    assert "hostname" not in runs_on.reason
    assert capfd.readouterr() == ("", "")


def fails_on(size: tuple[int, ...]) -> Callable[[Array], float]:
    """A GPU whose memory suffices for the tile that is compared, and not for a window."""

    def change(window: Array) -> float:
        if window.shape[2:] == size:
            raise RuntimeError(MEMORY_FULL)
        return 0.0

    return change


def test_auto_moves_to_the_cpu_when_memory_runs_out_at_work(
    made: Model, window: Array, answer: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that fails at work is left aloud: the answer is the CPU's, and a warning says so."""
    with_cuda(monkeypatch, answering(fails_on(made.spec.window)))
    opened = open_engine(made.graph, asked("auto", "onnxruntime"))
    assert opened.runs_on.used == "cuda:0"
    for _ in range(2):
        np.testing.assert_array_equal(opened.predict(window), answer)
    assert (opened.runs_on.used, opened.runs_on.provider) == ("cpu", CPU_PROVIDER)
    assert opened.runs_on.reason == "cuda:0 failed at work: its memory is full"
    assert opened.warnings == (
        "cuda:0 failed at work: its memory is full; the rest was computed on the CPU.",
    )


def test_cuda_stops_when_memory_runs_out_at_work(
    made: Model, window: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked for CUDA gets exit code 6, not a slow CPU."""
    with_cuda(monkeypatch, answering(fails_on(made.spec.window)))
    opened = open_engine(made.graph, asked("cuda"))
    with pytest.raises(DeviceMemoryError, match="cuda:0 cannot be used: its memory is full"):
        opened.predict(window)


def test_a_broken_graph_is_no_device_error(
    made: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that cannot be read is exit code 5 on CUDA too."""
    with_cuda(monkeypatch, answering(nothing))
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a graph" * 9)
    with pytest.raises(ModelMismatchError):
        open_engine(Model(made.spec, path).graph, asked("cuda"))


# --- silence --------------------------------------------------------------------------------


def test_native_lines_go_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """What C++ writes to the descriptors is gone, what Python prints can be read, both end."""
    c = ctypes.CDLL(None) if sys.platform != "win32" else None
    with quiet() as printed:
        os.write(1, b"native out\n")
        os.write(2, b"native error\n")
        if c is not None:
            c.write(2, b"from C\n", 7)
        sys.stdout.write("from Python\n")
        sys.stderr.write("from Python too\n")
    assert printed.getvalue() == "from Python\nfrom Python too\n"
    os.write(2, b"afterwards\n")
    assert capfd.readouterr() == ("", "afterwards\n")


def test_silence_ends_with_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """After an exception the screen is the user's again."""
    with pytest.raises(KeyError), quiet():
        raise KeyError
    os.write(1, b"heard\n")
    assert capfd.readouterr().out == "heard\n"


IN_A_PROCESS = """
import sys
from latup_cli.config import Device
from latup_cli.errors import DeviceError
from latup_cli.inference.models import load_model
from pathlib import Path
from latup_cli.inference import onnxruntime_engine
try:
    onnxruntime_engine.open_on_cuda(load_model(Path(sys.argv[1])).graph, Device("cuda"))
except DeviceError as error:
    sys.exit(6)
"""


def test_missing_libraries_are_not_shouted_about(made: Model) -> None:
    """Where CUDA's libraries do not load, ONNX Runtime's own lines reach no screen."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(made.path.parent)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 6}  # 0 on a computer whose CUDA works
    assert done.stderr == b""
    assert done.stdout == b""
