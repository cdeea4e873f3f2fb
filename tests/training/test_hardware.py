"""Where and how precisely to train, as a table without a GPU."""

from __future__ import annotations

import pytest

from latup_cli.config import Device
from latup_cli.errors import DeviceError
from latup_cli.training.hardware import (
    Hardware,
    Place,
    choose_place,
    fast_in_bfloat16,
    this_machine,
)

CPU = Hardware(gpus=0, gpu_bfloat16=False, cpu_bfloat16=False)
FAST_CPU = Hardware(gpus=0, gpu_bfloat16=False, cpu_bfloat16=True)
TWO_GPUS = Hardware(gpus=2, gpu_bfloat16=True, cpu_bfloat16=False)
OLD_GPU = Hardware(gpus=1, gpu_bfloat16=False, cpu_bfloat16=True)


@pytest.mark.parametrize(
    ("device", "precision", "hardware", "rank", "place"),
    [
        ("auto", "auto", CPU, 0, Place("cpu", "float32")),
        ("auto", "auto", FAST_CPU, 0, Place("cpu", "bfloat16")),
        ("cpu", "float32", FAST_CPU, 0, Place("cpu", "float32")),
        ("cpu", "auto", TWO_GPUS, 0, Place("cpu", "float32")),
        ("auto", "auto", TWO_GPUS, 0, Place("cuda:0", "bfloat16")),
        ("auto", "auto", TWO_GPUS, 1, Place("cuda:1", "bfloat16")),
        ("cuda:1", "auto", TWO_GPUS, 0, Place("cuda:1", "bfloat16")),
        ("cuda", "auto", OLD_GPU, 0, Place("cuda:0", "float16")),
        ("cuda", "float32", OLD_GPU, 0, Place("cuda:0", "float32")),
    ],
)
def test_place(device: str, precision: str, hardware: Hardware, rank: int, place: Place) -> None:
    """What is asked for, what is there, and what is taken."""
    assert choose_place(Device.parse(device), precision, hardware, rank) == place


@pytest.mark.parametrize(("device", "hardware"), [("cuda", CPU), ("cuda:2", TWO_GPUS)])
def test_a_gpu_that_is_not_there_is_refused(device: str, hardware: Hardware) -> None:
    """CUDA is an order: no silent fallback."""
    with pytest.raises(DeviceError, match="PyTorch sees"):
        choose_place(Device.parse(device), "auto", hardware)


@pytest.mark.parametrize(
    ("vendor", "flags", "fast"),
    [
        ("GenuineIntel", "avx2 avx512f avx512_bf16 amx_bf16 amx_tile", True),
        ("GenuineIntel", "avx2 avx512f avx512_bf16 avx512_vnni", False),
        ("AuthenticAMD", "avx2 avx512f avx512_bf16 avx512_vnni", True),
        ("AuthenticAMD", "avx2", False),
    ],
)
def test_bfloat16_is_for_processors_that_gain_by_it(vendor: str, flags: str, fast: bool) -> None:
    """Matrix units, or AMD's vectors; an empty description promises nothing."""
    assert fast_in_bfloat16(f"vendor_id\t: {vendor}\nflags\t\t: {flags}\n") is fast
    assert not fast_in_bfloat16("")


def test_this_machine_can_train() -> None:
    """Whatever it is, auto finds a place."""
    assert choose_place(Device(), "auto", this_machine()).precision in {
        "float32",
        "bfloat16",
        "float16",
    }
