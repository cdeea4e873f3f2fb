"""Print the throughput of `latup batch` as a share of the network's alone: throughput.py STUDY.

Usage: python benchmarks/throughput.py STUDY [--model NAME | --weights DIR] [--device cpu]
           [--engine NAME] [--threads N] [--jobs N] [--tta] [--force]

Every patient of the study is read and prepared once, outside the clock, and the network is run
on it: the sum of these seconds is what the network alone needs. Then the whole study goes through
`latup batch` into a temporary folder, and the clock runs from the end of the first patient to the
end of the last, so that the opening of the model is told apart: it does not grow with the study.

A processor does one thing at a time: where the network has every core to itself, preparing the
next patient takes its share of them. With --threads below the number of cores, preparing has
the others, and what is measured is how well the two overlap.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from latup_cli.config import (
    DEFAULT_MODEL,
    BatchSettings,
    Device,
    InferenceSettings,
    PreparationSettings,
    SegmentSettings,
)
from latup_cli.domain.cohort import DONE
from latup_cli.inference.models import chosen_model
from latup_cli.workflows.batch import Progress, run_batch
from latup_cli.workflows.batch_intake import find_cohort
from latup_cli.workflows.engines import open_engine
from latup_cli.workflows.output import Job
from latup_cli.workflows.segment import look_job, prepare_job
from latup_cli.workflows.stages import Stages


def network_alone(study: Path, settings: SegmentSettings) -> tuple[int, float]:
    """Patients that can be segmented, and the seconds that the network needs for them."""
    model = chosen_model(settings)
    opened = open_engine(model.graph, settings.inference)
    count, seconds = 0, 0.0
    for patient in find_cohort(study).patients:
        if patient.files is None:
            continue
        job = Job(patient.files, study, study)
        ready = prepare_job(job, model.spec, settings, Stages())
        if count == 0:
            look_job(ready, model.spec, opened, settings)  # the first call is slower
        started = time.perf_counter()
        look_job(ready, model.spec, opened, settings)
        seconds += time.perf_counter() - started
        count += 1
    return count, seconds


def whole(study: Path, settings: BatchSettings) -> tuple[float, float]:
    """Seconds until the first patient is done, and from there to the last."""
    ends: list[float] = []

    def note(progress: Progress) -> None:
        if progress.record is not None and progress.record.state == DONE:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="latup-throughput-") as scratch:
        started = time.perf_counter()
        run_batch(study, Path(scratch), settings, tell=note)
    return ends[0] - started, ends[-1] - ends[0]


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0 for all cores")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--tta", action="store_true", help="a network that is 8 times as heavy")
    parser.add_argument("--force", action="store_true", help="for phantoms")
    given = parser.parse_args()
    settings = SegmentSettings(
        model=given.model,
        weights=given.weights,
        tta=given.tta,
        preparation=PreparationSettings(force=given.force),
        inference=InferenceSettings(
            device=Device.parse(given.device), engine=given.engine, threads=given.threads
        ),
    )
    count, alone_s = network_alone(given.study, settings)
    if count < 3:
        sys.exit("give a study of at least three patients")
    first_s, rest_s = whole(given.study, BatchSettings(segment=settings, jobs=given.jobs))
    alone = count / alone_s
    batch = (count - 1) / rest_s
    cores = f"{given.threads or 'all'} of {os.cpu_count()} cores for the network"
    print(f"{count} patients on {given.device}, {given.jobs} job(s), {cores}")
    print(f"network alone: {alone_s:.1f} s, {alone * 60:.1f} patients a minute")
    print(f"latup batch: first patient after {first_s:.1f} s, then {batch * 60:.1f} a minute")
    print(f"share of the network's throughput: {batch / alone:.2f}")


if __name__ == "__main__":
    main()
