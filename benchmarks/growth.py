"""How time and memory of `latup segment` grow: with the brain, and with the number of windows."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from latup_cli.config import DEFAULT_MODEL, weights_root
from latup_cli.domain.study import Study
from latup_cli.imaging import nifti
from latup_cli.inference.model_json import read_spec
from latup_cli.inference.models import SPEC_FILE
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study

PARTS = 5
"""The brain is cut into this many pieces of one thickness along its longest axis."""


OVERLAPS = (0.0, 0.25, 0.5)
"""Of windows over one whole brain: the more, the more windows there are."""


class Cost(Protocol):
    """What a run took."""

    @property
    def peak_mib(self) -> float:
        """The most memory that it held at once, in MiB."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run saw and took.

    Attributes:
        brain_ml: Volume of the brain.
        windows: How many the network looked through.
        network_s: Seconds of that.
        peak_mib: The most memory that the process held at once, in MiB.
    """

    brain_ml: float
    windows: int
    network_s: float
    peak_mib: float


def growth_table(case: Path, folder: Path, measured: Callable[[Sequence[str]], Cost]) -> str:
    """Markdown tables over growing parts of a case, and over windows that overlap more and more.

    The model's window is replaced by the smallest that its network takes, so that a whole brain
    takes many windows: what is measured is the program, not the accuracy of such windows.
    """
    study = load_study(find_study(case))
    once = small_windows(folder / "model", OVERLAPS[0])
    parts = []
    for part in range(1, PARTS + 1):
        patient = write_part(study, folder / f"part-{part}", part / PARTS)
        parts.append(_run(patient, once, measured))
    densely = []
    for overlap in OVERLAPS:
        model = small_windows(folder / f"overlap-{overlap}", overlap)
        densely.append(_run(patient, model, measured))
    memory = [run.peak_mib for run in densely]
    differs = (
        f"With up to {max(run.windows for run in densely):,} windows over one brain, the peak of "
        f"memory differs by {100 * (max(memory) / min(memory) - 1):.0f} percent."
    )
    return "\n\n".join((_table(parts), _verdict(parts), _table(densely), differs))


def _run(patient: Path, model: Path, measured: Callable[[Sequence[str]], Cost]) -> Run:
    output = patient.parent / "out"
    command = [sys.executable, "-m", "latup_cli", "segment", str(patient), "-o", str(output)]
    cost = measured(
        [*command, "--overwrite", "--force", "--weights", str(model), "--device", "cpu"]
    )
    report = json.loads((output / f"{patient.name}_report.json").read_text(encoding="utf-8"))
    return Run(
        report["volumes"]["brain"]["volume_ml"],
        report["runs_on"]["windows"],
        report["seconds"]["segment"],
        cost.peak_mib,
    )


def _table(runs: Sequence[Run]) -> str:
    lines = [
        "| brain, mL | windows | network, s | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {run.brain_ml:.0f} | {run.windows:,} | {run.network_s:.2f} | {run.peak_mib:,.0f} |"
        for run in runs
    ]
    return "\n".join(lines)


def small_windows(folder: Path, overlap: float) -> Path:
    """The default model with the smallest windows that its network takes."""
    source = weights_root() / DEFAULT_MODEL
    spec = read_spec(source / SPEC_FILE)
    shape = [spec.stride] * 3
    content = json.loads((source / SPEC_FILE).read_text(encoding="utf-8"))
    content["window"] = shape
    content["windows"] = [{"shape": shape, "overlap": overlap, "dice": {}}]
    shutil.copytree(source, folder)
    (folder / SPEC_FILE).write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_part(study: Study, folder: Path, share: float) -> Path:
    """The four files with a share of the brain, along the axis in which it is longest."""
    folder.mkdir()
    brain = np.any([image.data != 0 for image in study.images.values()], axis=0)
    found = np.nonzero(brain)
    axis = int(np.argmax([np.ptp(places) for places in found]))
    first, length = int(found[axis].min()), int(np.ptp(found[axis])) + 1
    stop = first + round(share * length)
    beyond = (slice(None),) * axis + (slice(stop, None),)
    for modality, image in study.images.items():
        data = image.data.copy()
        data[beyond] = 0
        path = folder / f"{folder.name}_{modality}.nii.gz"
        nifti.write_volume(path, data, image.grid, study.codes)
    return folder


def _verdict(runs: Sequence[Run]) -> str:
    brain, seconds, memory = np.array([[r.brain_ml, r.network_s, r.peak_mib] for r in runs]).T
    slope, start = np.polyfit(brain, seconds, 1)
    away = np.abs(seconds - (slope * brain + start)).max() / seconds.max()
    grown = memory.max() / memory.min() - 1.0
    return (
        f"Time grows by {1000 * slope:.2f} s per liter of brain and strays from that line by at "
        f"most {100 * away:.0f} percent of the longest; the peak of memory differs by "
        f"{100 * grown:.0f} percent between the smallest and the largest."
    )
