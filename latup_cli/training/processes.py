"""Several processes as one run, started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import torch
import torch.distributed as dist

from latup_cli.training.hardware import Place

_LONGEST_VALIDATION = timedelta(hours=2)


def local_rank() -> int:
    """Number of this process on this machine; 0 outside `torchrun`."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Whether this is the process that validates and writes; true outside `torchrun`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(place: Place) -> Iterator[Place]:
    """Meet the other processes that `torchrun` started; alone without it.

    Gives the place with this process's rank. NCCL between GPUs, gloo between CPUs.
    """
    of = int(os.environ.get("WORLD_SIZE", "1"))
    if of == 1:
        yield place
        return
    dist.init_process_group("nccl" if place.on_cuda else "gloo", timeout=_LONGEST_VALIDATION)
    try:
        yield replace(place, rank=dist.get_rank(), of=of)
    finally:
        dist.destroy_process_group()


def highest(number: int, place: Place) -> int:
    """The highest of what the processes say, so that all of them decide alike.

    Every process has to ask as often as the others. A single one is told its own number at once.
    """
    if place.of == 1:
        return number
    told = torch.tensor(number, device=place.device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return int(told)
