"""From four aligned images and the brain to what the network sees, each step recorded."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from latup_cli.domain.agreement import shared_grid
from latup_cli.domain.grid import Box
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.orientation import axis_codes, reorientation
from latup_cli.domain.study import AlignedStudy, Placement, PreparedStudy, Step, Study
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import SkullPresentError
from latup_cli.preprocess.bias import N4, without_bias
from latup_cli.preprocess.brain import NONZERO
from latup_cli.preprocess.normalize import zscore
from latup_cli.preprocess.resample import resample, same_spacing
from latup_cli.preprocess.steps import timed


def as_aligned(study: Study) -> AlignedStudy:
    """Take a study that is registered and skull-stripped as it is; its brain is what is not 0.

    Raises:
        SkullPresentError: If an image still has its skull.
        GridMismatchError: If the images do not lie on one grid.
    """
    for modality, sign in study.skull.items():
        raise SkullPresentError(study.shown_as(modality), sign)
    images = on_shared_grid(study)
    steps: list[Step] = []
    with timed(steps, "brain", rule=NONZERO.words):
        brain = NONZERO.find(image.data for image in images.values())
    return AlignedStudy(images, Mask(brain, next(iter(images.values())).grid), tuple(steps))


def on_shared_grid(study: Study) -> dict[str, Volume]:
    """The images on the grid of the T1ce, which their headers describe give or take rounding.

    Raises:
        GridMismatchError: If an image does not lie on it.
    """
    shared_grid({study.shown_as(m): image.grid for m, image in study.images.items()})
    return {modality: Volume(image.data, study.grid) for modality, image in study.images.items()}


def prepare(aligned: AlignedStudy, spec: ModelSpec) -> PreparedStudy:
    """Turn to the model's axes, crop to the brain, normalize, and bring to the model's spacing."""
    steps = list(aligned.steps)
    turn = reorientation(aligned.grid, spec.axis_order)
    steps.append(Step("turn", {"from": axis_codes(aligned.grid), "to": spec.axis_order}))
    brain = turn.apply(aligned.brain.data)
    placement = Placement(aligned.grid, turn, Box.around(brain))
    box, block = placement.box, placement.block
    inside = np.ascontiguousarray(brain[box.slices])
    with timed(steps, "normalize", method=spec.normalization) as record:
        images = (turn.apply(aligned.images[channel].data) for channel in spec.channels)
        crops = [np.ascontiguousarray(image[box.slices]) for image in images]
        if spec.removes_bias:
            corrected = without_bias(crops, inside, block.spacing_mm)
            crops = [found.image for found in corrected]
            ranges = dict(zip(spec.channels, (c.field_range for c in corrected), strict=True))
            record["n4"] = {**asdict(N4), "field_range": ranges}
        channels = [zscore(crop, inside) for crop in crops]
    grid = block
    if not same_spacing(block, spec.spacing_mm):
        grid = block.respaced(spec.spacing_mm)
        with timed(steps, "resample", spacing_mm=spec.spacing_mm, interpolation="linear"):
            channels = [resample(channel, block, grid) for channel in channels]
    return PreparedStudy(np.stack(channels), grid, Mask(inside, block), placement, tuple(steps))
