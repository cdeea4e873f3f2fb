"""Compiled networks are kept per user, and a cache that fails is as good as none."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latup_cli.inference import cache, openvino_engine
from latup_cli.inference.models import Graph, load_model
from latup_cli.inference.openvino_engine import open_on_cpu
from latup_cli.inference.windows import Array
from tests.fixtures.models import hand_made_model

HOME = Path("/home/user")


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """A LATUP-Net with four filters and a small window."""
    made = load_model(hand_made_model(tmp_path_factory.mktemp("cached"))).graph
    return replace(made, window=(16, 16, 24))


@pytest.fixture(scope="session")
def window(graph: Graph) -> Array:
    """(1, 4, 16, 16, 24)."""
    size = (1, graph.inputs, *graph.window)
    return np.random.default_rng(2).normal(size=size).astype(np.float32)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """Every graph that is compiled from now on."""
    seen: list[Graph] = []
    compile_ = openvino_engine._compile

    def counted(graph: Graph, options: dict[str, str]) -> Any:
        seen.append(graph)
        return compile_(graph, options)

    monkeypatch.setattr(openvino_engine, "_compile", counted)
    return seen


@pytest.mark.parametrize(
    ("environment", "system", "expected"),
    [
        ({}, "linux", "/home/user/.cache/latup"),
        ({"XDG_CACHE_HOME": "/fast"}, "linux", "/fast/latup"),
        ({"XDG_CACHE_HOME": "not/absolute"}, "linux", "/home/user/.cache/latup"),
        ({}, "darwin", "/home/user/Library/Caches/latup"),
        ({}, "win32", "/home/user/AppData/Local/latup/cache"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/latup/cache"),
        ({"LATUP_CACHE": "/mine", "XDG_CACHE_HOME": "/fast"}, "linux", "/mine"),
        ({"LATUP_CACHE": "OFF"}, "linux", None),
        ({"LATUP_CACHE": " "}, "linux", "/home/user/.cache/latup"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(
    environment: dict[str, str], system: str, expected: str | None
) -> None:
    """Each system has its place, and the user may move it or turn it off."""
    found = cache.cache_folder(environment, system, HOME)
    assert (found.as_posix() if found else None) == expected


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    """Bytes come back whole under their name, for this user alone."""
    folder = tmp_path / "deep" / "cache"
    assert cache.store(folder, "a.blob", b"network")
    assert cache.load(folder, "a.blob") == b"network"
    assert cache.load(folder, "b.blob") is None
    assert [path.name for path in folder.iterdir()] == ["a.blob"]
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0
    cache.drop(folder, "a.blob")
    assert cache.load(folder, "a.blob") is None


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:5], lambda _: b"", bytes.upper])
def test_what_was_damaged_does_not_come_back(damage: Any, tmp_path: Path) -> None:
    """A cut or changed file is as good as none: a wrong weight would be a wrong mask."""
    cache.store(tmp_path, "a.blob", b"network" * 9)
    path = tmp_path / "a.blob"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load(tmp_path, "a.blob") is None


def test_a_folder_that_cannot_be_used_is_no_error(tmp_path: Path) -> None:
    """A file in the way, or no cache at all, only means that nothing is kept."""
    taken = tmp_path / "file"
    taken.write_bytes(b"")
    assert not cache.store(taken, "a.blob", b"network")
    assert cache.load(taken, "a.blob") is None
    assert not cache.store(None, "a.blob", b"network")
    assert cache.load(None, "a.blob") is None
    cache.drop(None, "a.blob")


def test_a_full_disk_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, nothing is left either."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert not cache.store(tmp_path, "a.blob", b"network")
    assert list(tmp_path.iterdir()) == []


def test_the_cache_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Of many networks, the ones that were stored last are kept."""
    for number in range(30):
        cache.store(tmp_path, f"{number}.blob", b"network")
        os.utime(tmp_path / f"{number}.blob", (number, number))
    cache.store(tmp_path, "last.blob", b"network")
    kept = {path.name for path in tmp_path.iterdir()}
    assert len(kept) == 24
    assert {"last.blob", "29.blob"} <= kept
    assert "0.blob" not in kept


def test_keys_change_with_every_fact() -> None:
    """Another model, version, processor or option is another file."""
    keys = {cache.key("a", 1), cache.key("a", 2), cache.key("b", 1), cache.key("a", "1")}
    assert len(keys) == 4


def test_a_cached_network_gives_the_same_answer(
    graph: Graph, window: Array, compilations: list[Graph], tmp_path: Path
) -> None:
    """The second time nothing is compiled, and every bit is the same."""
    first = open_on_cpu(graph, 1, folder=tmp_path)(window)
    second = open_on_cpu(graph, 1, folder=tmp_path)
    assert len(compilations) == 1
    np.testing.assert_array_equal(second(window), first)
    plain = open_on_cpu(graph, 1)(window)
    np.testing.assert_array_equal(plain, first)
    assert second.compiled.get_property("INFERENCE_NUM_THREADS") == 1


def test_other_facts_compile_anew(graph: Graph, compilations: list[Graph], tmp_path: Path) -> None:
    """A changed model, window or number of threads never meets an old network."""
    for other in (graph, replace(graph, sha256="0" * 64), replace(graph, window=(16, 16, 16))):
        open_on_cpu(other, 1, folder=tmp_path)
    open_on_cpu(graph, 2, folder=tmp_path)
    assert len(compilations) == 4
    assert len(list(tmp_path.iterdir())) == 4


def test_a_broken_cache_is_compiled_anew(
    graph: Graph, window: Array, compilations: list[Graph], tmp_path: Path
) -> None:
    """Damaged files, and whole ones that OpenVINO cannot read, are replaced."""
    expected = open_on_cpu(graph, 1, folder=tmp_path)(window)
    (stored,) = tmp_path.iterdir()
    stored.write_bytes(stored.read_bytes()[: stored.stat().st_size // 2])
    np.testing.assert_array_equal(open_on_cpu(graph, 1, folder=tmp_path)(window), expected)
    cache.store(tmp_path, stored.name, b"of another version")
    np.testing.assert_array_equal(open_on_cpu(graph, 1, folder=tmp_path)(window), expected)
    assert len(compilations) == 3
    open_on_cpu(graph, 1, folder=tmp_path)
    assert len(compilations) == 3


def test_a_cache_that_cannot_be_written_changes_nothing(
    graph: Graph, window: Array, tmp_path: Path
) -> None:
    """With a file where the folder should be, the network runs all the same."""
    taken = tmp_path / "file"
    taken.write_bytes(b"")
    found = open_on_cpu(graph, 1, folder=taken)(window)
    np.testing.assert_array_equal(found, open_on_cpu(graph, 1)(window))


IN_A_PROCESS = """
import sys
from pathlib import Path
from latup_cli.config import Device, InferenceSettings
from latup_cli.inference.models import load_model
from latup_cli.workflows.engines import open_engine
settings = InferenceSettings(device=Device("cpu"), engine="openvino")
open_engine(load_model(Path(sys.argv[1])).graph, settings)
"""


@pytest.mark.parametrize("off", [False, True])
def test_nothing_else_is_written_to_the_home(off: bool, graph: Graph, tmp_path: Path) -> None:
    """A run leaves one compiled network in the user's cache, or nothing where it is off."""
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"} | ({"LATUP_CACHE": "off"} if off else {})
    subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(graph.path.parent)],
        cwd=Path(__file__).parents[2],
        env=environment,
        check=True,
    )
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == (0 if off else 1)
    assert all(path.parent.name in {"latup", "cache"} and path.suffix == ".blob" for path in left)
