"""Where and how precisely to train, as a table without a GPU."""

from __future__ import annotations

import pytest

from latup_cli.config import Device
from latup_cli.errors import DeviceError
from latup_cli.training.hardware import Hardware, Place, choose_place, this_machine

CPU = Hardware(gpus=0, gpu_bfloat16=False, cpu_amx=False)
AMX = Hardware(gpus=0, gpu_bfloat16=False, cpu_amx=True)
TWO_GPUS = Hardware(gpus=2, gpu_bfloat16=True, cpu_amx=False)
OLD_GPU = Hardware(gpus=1, gpu_bfloat16=False, cpu_amx=True)


@pytest.mark.parametrize(
    ("device", "precision", "hardware", "rank", "place"),
    [
        ("auto", "auto", CPU, 0, Place("cpu", "float32")),
        ("auto", "auto", AMX, 0, Place("cpu", "bfloat16")),
        ("cpu", "float32", AMX, 0, Place("cpu", "float32")),
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


def test_this_machine_can_train() -> None:
    """Whatever it is, auto finds a place."""
    assert choose_place(Device(), "auto", this_machine()).precision in {
        "float32",
        "bfloat16",
        "float16",
    }
