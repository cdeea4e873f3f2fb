"""From a prepared study through the network to labels on the input's own array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.model import MeasuredWindow, ModelSpec
from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import LabelMap
from latup_cli.inference.decode import (
    core_threshold,
    decode,
    islands,
    region_probabilities,
    unbelieved_ml,
    with_core,
    without_enhancement,
)
from latup_cli.inference.mirrors import VIEWS, mirrored
from latup_cli.inference.windows import Array, Predict, WindowPlan, plan_windows, predict_image
from latup_cli.labels import REGIONS, SCHEMES
from latup_cli.preprocess.restore import to_native, to_native_block
from latup_cli.quality.certainty import check_certainty

TISSUE_NUMBERS = SCHEMES["brats2023"]
"""The numbers of `Tissue`, in which the network is decoded."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network saw, on the model's grid; nothing has been decided yet.

    Attributes:
        classes: (classes, i, j, k) float32 probabilities.
        windows: How many windows it took.
        views: How often each of them was seen, mirrored differently.
    """

    classes: Array
    windows: int
    views: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the network said.

    Attributes:
        labels: On the input's grid and in its axis order, in the numbers of `Tissue`.
        regions: (3, i, j, k) float32 probabilities of WT, TC, ET on the native block.
        windows: How many windows it took.
        views: How often each of them was seen, mirrored differently.
        unbelieved_ml: Volume in mL of an enhancing tumor that was too small or too doubtful to be
            believed and is NCR in `labels`, not in `regions`; 0 if there was none.
        islands: (i, j, k) on the native block: what was too small a piece of tumor and is
            background in `labels`, not in `regions`; None if there was none.
        core_threshold: Probability above which a voxel of tumor is core; one half, or less.
        added_core_ml: Volume in mL of the core that it took less than one half to be.
        quality: How sure the network was of each region, also of an ET that is not believed.
    """

    labels: LabelMap
    regions: npt.NDArray[np.float32]
    windows: int
    views: int = 1
    unbelieved_ml: float = 0.0
    islands: npt.NDArray[np.bool_] | None = None
    core_threshold: float = 0.5
    added_core_ml: float = 0.0
    quality: tuple[Finding, ...] = ()


def plan_prepared(
    prepared: PreparedStudy, window: MeasuredWindow, *, tta: bool = False
) -> WindowPlan:
    """Where the network will look in a prepared study, and what that costs.

    Args:
        prepared: What the network will see; it is 0 outside the brain.
        window: One that the model was measured with.
        tta: Whether each window is seen mirrored too.
    """
    brain = np.logical_or.reduce(prepared.image)
    return plan_windows(brain, window.shape, window.overlap, views=VIEWS if tta else 1)


def look_at(
    prepared: PreparedStudy,
    spec: ModelSpec,
    predict: Predict,
    *,
    window: MeasuredWindow | None = None,
    tta: bool = False,
    on_share: Callable[[float], None] = lambda _: None,
) -> Seen:
    """Run the network over a prepared study.

    Args:
        prepared: What the network sees.
        spec: The model's description.
        predict: The network, ready for windows of that size.
        window: One that the model was measured with; None for its default.
        tta: Whether each window is seen mirrored too, and the answers averaged.
        on_share: Called after each window with the share of windows that are done.
    """
    plan = plan_prepared(prepared, window or spec.default_window, tta=tta)
    look = mirrored(predict) if tta else predict
    classes = predict_image(
        prepared.image, look, plan, classes=len(spec.classes), on_share=on_share
    )
    return Seen(classes, len(plan.windows), plan.views)


def decide(seen: Seen, prepared: PreparedStudy, spec: ModelSpec) -> Prediction:
    """Bring the regions to the native block, decode them, and put them back.

    Args:
        seen: What the network saw.
        prepared: Where it looked.
        spec: The model's description.
    """
    regions = to_native_block(region_probabilities(seen.classes), prepared)
    decoded = decode(regions, prepared.brain.data)
    small = _islands(decoded, prepared, spec)
    if small is not None:
        decoded[small] = 0
    voxel_ml = prepared.brain.grid.voxel_ml
    probability = dict(zip(REGIONS, regions, strict=True))
    enhancing = _certainty("ET", decoded, probability, spec)
    doubted = enhancing is not None and enhancing.verdict is not Verdict.OK
    unbelieved = unbelieved_ml(decoded, voxel_ml, spec.smallest_ml, doubted=doubted)
    believed = without_enhancement(decoded) if unbelieved else decoded
    threshold = core_threshold(believed, probability["TC"], spec.least_core_share)
    completed = with_core(believed, probability["TC"], threshold)
    added_ml = int(np.count_nonzero(completed != believed)) * voxel_ml
    others = [_certainty(name, completed, probability, spec) for name in ("WT", "TC")]
    labels = to_native(completed, prepared).astype(np.uint8, copy=False)
    return Prediction(
        labels=LabelMap(labels, prepared.placement.native, TISSUE_NUMBERS),
        regions=regions,
        windows=seen.windows,
        views=seen.views,
        unbelieved_ml=unbelieved,
        islands=small,
        core_threshold=threshold,
        added_core_ml=added_ml,
        quality=tuple(finding for finding in (*others, enhancing) if finding is not None),
    )


def _certainty(
    name: str,
    labels: npt.NDArray[np.uint8],
    probability: Mapping[str, npt.NDArray[np.float32]],
    spec: ModelSpec,
) -> Finding | None:
    mask = np.isin(labels, [int(tissue) for tissue in REGIONS[name]])
    return check_certainty(name, mask, probability[name], spec.least_certainty.get(name))


def _islands(
    labels: npt.NDArray[np.uint8], prepared: PreparedStudy, spec: ModelSpec
) -> npt.NDArray[np.bool_] | None:
    if not spec.smallest_island_ml:
        return None
    found = islands(labels, prepared.brain.grid.voxel_ml, spec.smallest_island_ml)
    return found if found.any() else None


def predict_prepared(
    prepared: PreparedStudy,
    spec: ModelSpec,
    predict: Predict,
    *,
    window: MeasuredWindow | None = None,
) -> Prediction:
    """Both in one: `look_at`, then `decide`."""
    return decide(look_at(prepared, spec, predict, window=window), prepared, spec)
