"""From four images on one grid to what the network sees, each step recorded; and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from latup_cli.domain.model import ModelSpec
from latup_cli.domain.orientation import axis_codes, reorientation
from latup_cli.domain.study import Placement, PreparedStudy, Step, Study
from latup_cli.domain.volume import Mask
from latup_cli.preprocess.brain import bounding_box, brain_mask
from latup_cli.preprocess.normalize import zscore
from latup_cli.preprocess.resample import resample, same_spacing


def prepare(study: Study, spec: ModelSpec) -> PreparedStudy:
    """Turn, find the brain, crop to it, normalize, and bring to the model's spacing.

    The images are taken to be registered and skull-stripped.
    """
    steps: list[Step] = []
    turn = reorientation(study.grid, spec.axis_order)
    images = [turn.apply(study.images[channel].data) for channel in spec.channels]
    steps.append(Step("turn", {"from": axis_codes(study.grid), "to": spec.axis_order}))
    with _timed(steps, "brain", rule="non-zero in any modality, one component, holes filled"):
        brain = brain_mask(images)
        placement = Placement(study.grid, turn, bounding_box(brain))
    block, inside = placement.block, brain[placement.box.slices]
    with _timed(steps, "normalize", method=spec.normalization):
        channels = [zscore(image[placement.box.slices], inside) for image in images]
    grid = block
    if not same_spacing(block, spec.spacing_mm):
        grid = block.respaced(spec.spacing_mm)
        with _timed(steps, "resample", spacing_mm=spec.spacing_mm, interpolation="linear"):
            channels = [resample(channel, block, grid) for channel in channels]
    return PreparedStudy(
        np.stack(channels), grid, Mask(np.ascontiguousarray(inside), block), placement, tuple(steps)
    )


@contextmanager
def _timed(steps: list[Step], name: str, **settings: object) -> Iterator[None]:
    """Record a step when it is done."""
    started = time.perf_counter()
    yield
    steps.append(Step(name, settings, time.perf_counter() - started))
