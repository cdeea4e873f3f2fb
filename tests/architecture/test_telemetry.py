"""Nothing leaves the machine: both engines report home by default, and here they do not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

RECORDER = """
import socket, sys

def refuse(name):
    def recorded(*arguments, **options):
        with open(sys.argv[2], "a", encoding="utf-8") as log:
            log.write(f"{name} {arguments}\\n")
        raise OSError(f"{name} is not allowed here")
    return recorded

class Recorded(socket.socket):
    connect = refuse("connect")
    connect_ex = refuse("connect_ex")
    sendto = refuse("sendto")

socket.socket = Recorded
socket.create_connection = refuse("create_connection")
socket.getaddrinfo = refuse("getaddrinfo")
socket.gethostbyname = refuse("gethostbyname")
"""

ENGINES = """
import os
import numpy as np
from latup_cli.inference import onnxruntime_engine, openvino_engine
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
assert sys.modules["openvino_telemetry"] is None
window = np.zeros((1, 4, 8, 8, 8), dtype=np.float32)
import onnxruntime, openvino
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(ours,) = session.run(None, {"x": window})
compiled = openvino.Core().compile_model(sys.argv[1], "CPU")
(theirs,) = compiled(window).values()
np.testing.assert_allclose(ours, theirs, atol=1e-6)
print("both ran")
"""

CALLS_HOME = """
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9/", timeout=1)
except OSError:
    print("nobody there")
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network: softmax over four channels."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4, "i", "j", "k"])
        for name in ("x", "y")
    ]
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    network = helper.make_graph([node], "softmax", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path_factory.mktemp("graph") / "softmax.onnx"
    save(helper.make_model(network, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def outside_ci(home: Path) -> dict[str, str]:
    """The environment of a user at home: no CI, and every cache under the home."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "USERPROFILE": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def child(
    code: str, graph: Path, home: Path, *, before: tuple[str, ...] = ()
) -> tuple[subprocess.CompletedProcess[str], list[str], list[str]]:
    """Run code in a process that may not connect.

    Returns:
        The process, what it tried to reach, and the files that it left in its home.
    """
    log = home.parent / "connections.txt"
    done = subprocess.run(
        [*before, sys.executable, "-c", RECORDER + code, str(graph), str(log)],
        cwd=ROOT,
        env=outside_ci(home),
        capture_output=True,
        text=True,
        check=False,
    )
    tried = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    left = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return done, tried, left


def test_engines_reach_nobody_and_leave_nothing(graph: Path, home: Path) -> None:
    """Without CI, both engines run, no connection is tried, and the home stays empty."""
    done, tried, left = child(ENGINES, graph, home)
    assert done.stdout == "both ran\n", done.stderr
    assert done.returncode == 0
    assert tried == []
    assert left == []


def test_a_connection_would_be_recorded(graph: Path, home: Path) -> None:
    """The recorder above sees a library that calls somebody."""
    done, tried, _ = child(CALLS_HOME, graph, home)
    assert done.stdout == "nobody there\n", done.stderr
    assert tried


@pytest.mark.parametrize("first", ["latup_cli.workflows.engines", "latup_cli.inference.windows"])
def test_telemetry_is_off_before_an_engine_is_imported(first: str, graph: Path, home: Path) -> None:
    """Whatever of `inference` is imported first, the engines' switches are thrown by then."""
    code = f"import os, {first}\n"
    code += "loaded = {'onnxruntime', 'openvino'} & set(sys.modules)\n"
    code += "print(os.environ['ORT_DISABLE_TELEMETRY'], sys.modules['openvino_telemetry'], loaded)"
    done, _, _ = child(code, graph, home)
    assert done.stdout == "1 None set()\n", done.stderr


def test_a_user_cannot_turn_telemetry_on(graph: Path, home: Path) -> None:
    """A variable from outside does not win over the promise."""
    code = "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '0'\n"
    code += "import latup_cli.inference; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done, _, _ = child(code, graph, home)
    assert done.stdout == "1\n", done.stderr


def test_events_are_disabled_as_soon_as_there_is_somebody_to_tell(graph: Path, home: Path) -> None:
    """On Windows the variable is not enough: the function is called when the engine is loaded."""
    code = "import latup_cli.inference, onnxruntime\nasked = []\n"
    code += "onnxruntime.disable_telemetry_events = lambda: asked.append('disable')\n"
    code += "from latup_cli.inference import onnxruntime_engine; print(asked)"
    done, _, _ = child(code, graph, home)
    assert done.stdout == "['disable']\n", done.stderr


def internet_calls(trace: str) -> list[str]:
    """System calls that open or use an internet socket."""
    return re.findall(r"^.*(?:AF_INET6?|sin6?_addr).*$", trace, re.MULTILINE)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("code", "said", "calls"),
    [(ENGINES, "both ran\n", False), ("import urllib.request as u, _socket\n", "", True)],
)
def test_the_kernel_sees_no_internet_socket(
    code: str, said: str, calls: bool, graph: Path, home: Path
) -> None:
    """The C++ libraries open no internet socket either; one that is opened would be seen."""
    if calls:
        code += "_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect_ex(('127.0.0.1', 9))"
    trace = home.parent / "trace.txt"
    strace = (str(STRACE), "-f", "-qq", "-e", "trace=network", "-o", str(trace))
    done, _, left = child(code, graph, home, before=strace)
    assert done.stdout == said, done.stderr
    assert bool(internet_calls(trace.read_text(encoding="utf-8"))) == calls
    assert left == []
