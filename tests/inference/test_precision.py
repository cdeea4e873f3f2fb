"""The default arithmetic is a table by processor, and nobody gets what cannot be computed."""

from __future__ import annotations

import pytest

from latup_cli.config import Device, InferenceSettings
from latup_cli.errors import (
    DeviceError,
    PrecisionMissingError,
    PrecisionNameError,
    PrecisionPlaceError,
    ThreadsError,
)
from latup_cli.inference.precision import DEFAULTS, choose_precision, rule_for
from latup_cli.inference.processor import (
    AMD,
    AMX,
    ARM,
    AVX2,
    AVX512_BF16,
    AVX512_VNNI,
    AVX_VNNI,
    Processor,
    describe,
    features_of,
    physical_cores,
)

SAPPHIRE_RAPIDS = frozenset({AMX, AVX512_BF16, AVX512_VNNI, AVX_VNNI, AVX2})
COOPER_LAKE = frozenset({AVX512_BF16, AVX512_VNNI, AVX2})
ICE_LAKE = frozenset({AVX512_VNNI, AVX2})
ALDER_LAKE = frozenset({AVX_VNNI, AVX2})
TURIN = frozenset({AMD, AVX512_BF16, AVX512_VNNI, AVX_VNNI, AVX2})
ROME = frozenset({AMD, AVX2})
HASWELL = frozenset({AVX2})
OLD = frozenset[str]()
APPLE = frozenset({ARM})
BOTH = {"int8": True, "bfloat16": True}
ONLY_BFLOAT16 = {"int8": False, "bfloat16": True}


def chosen(
    asked: str,
    features: frozenset[str],
    offered: dict[str, bool],
    *,
    engine: str = "openvino",
    device: str = "cpu",
) -> str:
    """The name of what is chosen; every choice has a reason."""
    found = choose_precision(asked, engine, device, Processor("one", features), offered)
    assert found.reason
    return found.name


@pytest.mark.parametrize(
    ("features", "offered", "name"),
    [
        (SAPPHIRE_RAPIDS, BOTH, "bfloat16"),
        (SAPPHIRE_RAPIDS, {"int8": True}, "int8"),
        (SAPPHIRE_RAPIDS, ONLY_BFLOAT16, "bfloat16"),
        (COOPER_LAKE, BOTH, "int8"),
        (COOPER_LAKE, ONLY_BFLOAT16, "float32"),
        (COOPER_LAKE, {"int8": False, "bfloat16": False}, "float32"),
        (COOPER_LAKE, {}, "float32"),
        (ICE_LAKE, BOTH, "int8"),
        (ICE_LAKE, ONLY_BFLOAT16, "float32"),
        (ALDER_LAKE, BOTH, "int8"),
        (TURIN, BOTH, "bfloat16"),
        (TURIN, {"int8": True}, "int8"),
        (ROME, BOTH, "float32"),
        (HASWELL, BOTH, "float32"),
        (OLD, BOTH, "float32"),
        (APPLE, BOTH, "float32"),
    ],
)
def test_the_default_follows_the_table(
    features: frozenset[str], offered: dict[str, bool], name: str
) -> None:
    """A processor gets what it is fast at, if the model was measured in it and allows it."""
    assert chosen("auto", features, offered) == name


def test_the_last_row_fits_every_processor() -> None:
    """The table has an answer for a processor of which nothing is known."""
    assert rule_for(Processor("unknown", OLD)) is DEFAULTS[-1]
    assert DEFAULTS[-1].order == ()


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8"])
def test_an_order_is_followed(name: str) -> None:
    """What is asked for is used where it can be, allowed as a default or not."""
    assert chosen(name, COOPER_LAKE, {"int8": False, "bfloat16": False}) == name


def test_what_cannot_be_computed_is_refused() -> None:
    """int8 without weights is a model error, bfloat16 without instructions a device error."""
    with pytest.raises(PrecisionMissingError, match="int8") as model:
        chosen("int8", COOPER_LAKE, {})
    assert model.value.exit_code == 5
    for features in (ICE_LAKE, HASWELL, APPLE):
        with pytest.raises(DeviceError, match="bfloat16") as device:
            chosen("bfloat16", features, BOTH)
        assert device.value.exit_code == 6


@pytest.mark.parametrize(
    ("engine", "device", "asked", "name"),
    [
        ("onnxruntime", "cpu", "auto", "float32"),
        ("onnxruntime", "cpu", "float32", "float32"),
        ("onnxruntime", "cuda", "auto", "tf32"),
        ("onnxruntime", "cuda", "float32", "float32"),
    ],
)
def test_onnxruntime_computes_in_float32(engine: str, device: str, asked: str, name: str) -> None:
    """On the CPU in float32; on CUDA with shorter products unless float32 is asked for."""
    assert chosen(asked, SAPPHIRE_RAPIDS, BOTH, engine=engine, device=device) == name


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("asked", ["bfloat16", "int8"])
def test_onnxruntime_does_nothing_shorter(device: str, asked: str) -> None:
    """Shorter arithmetic is OpenVINO's alone."""
    with pytest.raises(DeviceError, match=asked):
        chosen(asked, SAPPHIRE_RAPIDS, BOTH, engine="onnxruntime", device=device)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"precision": "float16"}, PrecisionNameError),
        ({"precision": "int8", "engine": "onnxruntime"}, PrecisionPlaceError),
        ({"precision": "bfloat16", "device": Device("cuda")}, PrecisionPlaceError),
        ({"threads": -1}, ThreadsError),
    ],
)
def test_options_that_contradict_each_other_are_usage_errors(
    options: dict[str, object], error: type[Exception]
) -> None:
    """What can never be done is exit code 2, with a hint."""
    with pytest.raises(error) as caught:
        InferenceSettings(**options)
    assert caught.value.exit_code == 2
    assert caught.value.hint


FLAGS = "processor\t: 0\nmodel name\t: A Processor\nflags\t\t: fpu {}\n"


@pytest.mark.parametrize(
    ("flags", "features"),
    [
        ("avx2 avx512_bf16 avx512_vnni amx_tile amx_int8 amx_bf16 avx_vnni", SAPPHIRE_RAPIDS),
        ("avx2 avx512_bf16 avx512_vnni amx_tile", COOPER_LAKE),
        ("avx2 avx512_vnni", ICE_LAKE),
        ("avx2 avx_vnni", ALDER_LAKE),
        ("avx2", HASWELL),
        ("avx", OLD),
    ],
)
def test_flags_of_linux_are_read(flags: str, features: frozenset[str]) -> None:
    """Features come from the flags; AMX counts only with all of its parts."""
    assert features_of(FLAGS.format(flags), "x86_64") == features
    assert describe(FLAGS.format(flags), "x86_64").name == "A Processor"


def test_the_vendor_is_read() -> None:
    """AMD is told by the vendor that Linux names, or by what Windows calls the processor."""
    linux = "vendor_id\t: AuthenticAMD\n" + FLAGS.format("avx2 avx_vnni avx512_bf16 avx512_vnni")
    assert features_of(linux, "x86_64") == TURIN
    windows = describe("", "AMD64", "AMD64 Family 26 Model 2, AuthenticAMD", ("BF16", "INT8"))
    assert windows.features == {AMD, *COOPER_LAKE}


@pytest.mark.parametrize(
    ("architecture", "abilities", "features"),
    [
        ("AMD64", ("BF16", "FP32", "INT8"), COOPER_LAKE),
        ("AMD64", ("FP32", "INT8"), HASWELL),
        ("AMD64", (), OLD),
        ("arm64", ("FP16", "FP32", "INT8"), APPLE),
        ("aarch64", (), APPLE),
    ],
)
def test_where_there_are_no_flags_openvino_tells(
    architecture: str, abilities: tuple[str, ...], features: frozenset[str]
) -> None:
    """On Windows and macOS the abilities that OpenVINO names decide."""
    assert features_of("", architecture, abilities) == features
    assert describe("", architecture).name == architecture


def cores(*pairs: tuple[int, int]) -> str:
    """A text of /proc/cpuinfo with these packages and cores."""
    return "\n\n".join(
        f"processor\t: {n}\nphysical id\t: {package}\ncore id\t\t: {core}\n"
        for n, (package, core) in enumerate(pairs)
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (cores((0, 0), (0, 1)), 2),
        (cores((0, 0), (0, 0)), 1),
        (cores((0, 0), (1, 0)), 2),
        ("processor\t: 0\n", None),
        ("", None),
    ],
)
def test_threads_of_one_core_count_once(text: str, count: int | None) -> None:
    """Two processors with one core id in one package are one core."""
    assert physical_cores(text) == count
