"""Memory is foreseen, compared with what there is, and refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.errors import DeviceMemoryError, NotEnoughMemoryError
from latup_cli.inference import cgroups, memory
from latup_cli.inference.cgroups import Group, cpu_quota, memory_left, parse_membership
from latup_cli.inference.memory import bytes_per_voxel, check_memory, foreseen_bytes
from latup_cli.inference.threads import LIBRARIES, decide_threads, limit_libraries, threads

GB = 1_000_000_000
WINDOW = (80, 96, 80)
MEMINFO = "MemTotal:       16314532 kB\nMemFree:          507620 kB\nMemAvailable:    9437184 kB\n"


def test_memory_grows_with_the_window() -> None:
    """A study, and for each voxel what the network takes and what lies around it."""
    study, around = memory.STUDY_BYTES, memory.AROUND_BYTES
    assert foreseen_bytes((10, 20, 30), 100.0) - study == 6_000 * (100.0 + around)
    assert foreseen_bytes((10, 20, 60), 100.0) - study == 12_000 * (100.0 + around)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({}, None),
        ({"openvino float32": 900.0, "openvino int8": 400.0}, 400.0),
        ({"openvino float32": 900.0, "onnxruntime float32": 1200.0}, 1200.0),
    ],
)
def test_the_constant_is_the_measured_one(
    measured: dict[str, float], expected: float | None
) -> None:
    """What was not measured counts as the largest that was; without any, nothing is foreseen."""
    assert bytes_per_voxel(measured, "openvino", "int8") == expected


@pytest.mark.parametrize("free", [None, 2 * GB, 3 * GB])
def test_enough_is_enough(free: int | None) -> None:
    """Nothing is refused where there is room, or where the system does not say."""
    check_memory(2 * GB, free, WINDOW)


def test_too_little_is_refused_with_a_way_out() -> None:
    """Exit code 6 with both figures; a smaller window is named only if the model lists one."""
    with pytest.raises(NotEnoughMemoryError, match=r"80 x 96 x 80, 3\.00 GB .* 1\.50 GB") as caught:
        check_memory(3 * GB, 3 * GB // 2, WINDOW, smaller=(64, 64, 64))
    assert isinstance(caught.value, DeviceMemoryError)
    assert caught.value.exit_code == 6
    assert "--low-memory: windows of 64x64x64" in caught.value.hint
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(3 * GB, 0, WINDOW)
    assert "--low-memory" not in caught.value.hint
    assert "Close other programs" in caught.value.hint


def test_memory_that_can_be_had_is_more_than_what_is_unused() -> None:
    """Caches that Linux would give up count as free, in bytes."""
    assert memory.parse_meminfo(MEMINFO) == 9437184 * 1024


@pytest.mark.parametrize("text", ["", "MemTotal: 1 kB\n", "MemAvailable: much\n"])
def test_memory_that_is_not_told_is_unknown(text: str) -> None:
    """A system that does not say how much is free is no error."""
    assert memory.parse_meminfo(text) is None


@pytest.mark.parametrize(
    ("limits", "status", "left"),
    [
        ("Max address space         4000000   4000000  bytes\n", "VmSize:\t1000 kB\n", 2976000),
        ("Max address space         1000   1000  bytes\n", "VmSize:\t1000 kB\n", 0),
        ("Max address space         unlimited unlimited bytes\n", "VmSize:\t1000 kB\n", None),
        ("", "", None),
    ],
)
def test_a_limit_of_the_address_space_counts(limits: str, status: str, left: int | None) -> None:
    """`ulimit -v` leaves what is not in use yet."""
    assert memory.parse_limit(limits, status) == left


def test_the_least_of_all_limits_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control group that leaves little is what counts, however much the computer has."""
    if memory.free_bytes() is None:
        pytest.skip("this system does not say how much memory is free")
    monkeypatch.setattr(cgroups, "find_groups", lambda: ())
    monkeypatch.setattr(cgroups, "memory_left", lambda _: 4096)
    assert memory.free_bytes() == 4096


def group(folder: Path, version: int, **files: str) -> Group:
    """A control group with these files; an underscore stands for a dot."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="ascii")
    return Group(folder, version)


def test_groups_of_both_versions_are_read(tmp_path: Path) -> None:
    """Quota and memory come from version 1 and 2, and the tightest of all wins."""
    tight = group(
        tmp_path / "job",
        2,
        cpu__max="150000 100000\n",
        memory__max="5000\n",
        memory__current="4000\n",
        memory__stat="anon 1\ninactive_file 500\n",
    )
    loose = group(tmp_path / "user", 2, cpu__max="max 100000\n", memory__max="max\n")
    old = group(
        tmp_path / "one",
        1,
        cpu__cfs_quota_us="200000\n",
        cpu__cfs_period_us="100000\n",
        memory__limit_in_bytes="9000\n",
        memory__usage_in_bytes="1000\n",
    )
    assert cpu_quota((tight, loose, old)) == 1.5
    assert memory_left((tight, loose, old)) == 1500
    assert (cpu_quota((old,)), memory_left((old,))) == (2.0, 8000)
    assert (cpu_quota((loose,)), memory_left((loose,))) == (None, None)


def test_without_groups_nothing_is_limited(tmp_path: Path) -> None:
    """A system without control groups, or an unlimited one, limits nothing."""
    assert cgroups.find_groups(tmp_path, tmp_path / "none") == ()
    free = group(tmp_path / "free", 1, cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert cpu_quota((free,)) is None
    assert cpu_quota(()) is None
    assert memory_left((Group(tmp_path / "gone", 2),)) is None


def test_every_group_around_a_process_is_found() -> None:
    """Limits stand at any height of the tree; groups without processors or memory are left out."""
    root = Path("/cg")
    found = parse_membership(["4:memory:/a/b", "2:cpu,cpuacct:/", "8:pids:/", "0::/c"], root)
    folders = {(group.folder.as_posix(), group.version) for group in found}
    assert {("/cg/memory/a/b", 1), ("/cg/memory/a", 1), ("/cg/memory", 1)} <= folders
    assert {("/cg/cpu,cpuacct", 1), ("/cg/c", 2), ("/cg/unified/c", 2), ("/cg", 2)} <= folders
    assert not any("pids" in folder for folder, _ in folders)


@pytest.mark.parametrize(
    ("asked", "processors", "quota", "cores", "count"),
    [
        (0, 8, None, None, 8),
        (0, 8, None, 4, 4),
        (0, 2, None, 4, 2),
        (0, 8, 2.5, 8, 2),
        (0, 8, 0.5, 8, 1),
        (3, 8, None, 4, 3),
        (8, 8, None, 4, 8),
        (64, 8, None, None, 8),
        (8, 8, 2.0, 8, 2),
    ],
)
def test_threads_fit_the_processors(
    asked: int, processors: int, quota: float | None, cores: int | None, count: int
) -> None:
    """Never more threads than processors or quota; by default no more than physical cores."""
    assert decide_threads(asked, processors, quota=quota, cores=cores) == count


@given(
    st.integers(0, 300),
    st.integers(1, 256),
    st.none() | st.floats(0.01, 300),
    st.none() | st.integers(1, 256),
)
def test_there_is_always_one_thread_and_never_too_many(
    asked: int, processors: int, quota: float | None, cores: int | None
) -> None:
    """Whatever is asked for, between one and as many threads as processors run."""
    count = decide_threads(asked, processors, quota=quota, cores=cores)
    assert 1 <= count <= processors


def test_libraries_are_told_once() -> None:
    """Every library gets the number, and what the user has set stays."""
    environment = {"OMP_NUM_THREADS": "7"}
    count = limit_libraries(1, environment)
    assert count == threads(1) == 1
    assert environment["OMP_NUM_THREADS"] == "7"
    assert {environment[name] for name in LIBRARIES[1:]} == {"1"}
