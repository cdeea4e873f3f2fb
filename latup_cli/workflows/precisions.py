"""What a model's shorter arithmetic makes of the sample here, beside float32."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from latup_cli.config import AUTO, FLOAT32, Device, SegmentSettings
from latup_cli.domain.study import PreparedStudy
from latup_cli.domain.volume import Mask
from latup_cli.errors import DeviceError
from latup_cli.evaluation.overlap import dice
from latup_cli.inference.models import Model, chosen_model
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.predict import decide, look_at
from latup_cli.workflows.sample import sample_study


@dataclass(frozen=True, slots=True)
class BesideFloat32:
    """One precision on this processor.

    Attributes:
        name: "bfloat16" or "int8".
        agreement: Dice of its whole tumor with that of float32.
        least: What that must be at least.
        time: Of the network, as a share of what float32 takes.
        is_default: Whether `--precision auto` takes it here.
    """

    name: str
    agreement: float
    least: float
    time: float
    is_default: bool

    @property
    def is_wrong(self) -> bool:
        """Whether it differs by more than arithmetic of this kind does."""
        return self.agreement < self.least


LEAST_AS_DEFAULT, LEAST_ON_REQUEST = 0.98, 0.9
"""Agreement on the sample. On patients, `benchmarks/quantize.py` demands 0.995 of a default; what
has to be asked for may be further away."""


def beside_float32(settings: SegmentSettings) -> tuple[BesideFloat32, ...]:
    """Run the sample in every precision that the model and this processor have.

    Makers of engines test on their own processors, and an engine was once wrong in int8 on the
    others: no hash of weights would show that.

    Raises:
        LatupError: If the model, OpenVINO or the sample cannot be used.
    """
    model = chosen_model(settings)
    if not model.graph.precisions:
        return ()
    study = load_study(find_study(sample_study()))
    prepared = prepare(as_aligned(study), model.spec)
    usual = _opened(model, settings, AUTO).runs_on.precision
    reference, longest = _tumor(model, prepared, _opened(model, settings, FLOAT32))
    found = []
    for name, file in sorted(model.graph.precisions.items()):
        try:
            opened = _opened(model, settings, name)
        except DeviceError:  # this processor does not have it
            continue
        tumor, seconds = _tumor(model, prepared, opened)
        agreement = dice(tumor.data, reference.data)
        least = LEAST_AS_DEFAULT if file.default else LEAST_ON_REQUEST
        found.append(BesideFloat32(name, agreement, least, seconds / longest, name == usual))
    return tuple(found)


def _opened(model: Model, settings: SegmentSettings, precision: str) -> Opened:
    """In OpenVINO, the only engine that computes in anything shorter."""
    inference = replace(
        settings.inference, device=Device("cpu"), engine="openvino", precision=precision
    )
    return open_engine(model.graph, inference)


def _tumor(model: Model, prepared: PreparedStudy, opened: Opened) -> tuple[Mask, float]:
    """The whole tumor, and the seconds that the network took for it."""
    nothing = np.zeros((1, model.graph.inputs, *model.graph.window), dtype=np.float32)
    opened.predict(nothing)  # the first one warms up
    started = time.perf_counter()
    seen = look_at(prepared, model.spec, opened.predict)
    seconds = time.perf_counter() - started
    return decide(seen, prepared, model.spec).labels.region("WT"), seconds
