"""`latup segment`, in the order it happens: check, open, read, prepare, predict, report.

`segment_study` is the whole story. Its chapters stand alone so that a study folder can be done
with one open model, its neighbors overlapping: `plan_job`, `prepare_job`, `look_job`,
`decide_job`, `write_results`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latup_cli.config import SegmentSettings, default_output
from latup_cli.domain.finding import Verdict
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.segmentation import RunsOn, Segmentations
from latup_cli.domain.study import ONE_GRID_MM, REFERENCE, StudyFiles
from latup_cli.inference.models import chosen_model
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.intake.naming import checked_name
from latup_cli.labels import label_scheme
from latup_cli.workflows.align import Ready, make_ready
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.native import on_aligned_grid, on_native_grid
from latup_cli.workflows.output import Job, check_output, make_job
from latup_cli.workflows.predict import Prediction, Seen, decide, look_at
from latup_cli.workflows.results import Outcome, Segmented, write_results
from latup_cli.workflows.stages import Announce, Stages


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the network saw, and where it ran.

    Attributes:
        seen: Class probabilities on the model's grid.
        runs_on: The device and arithmetic, after whatever happened to them.
        warnings: What happened to them.
    """

    seen: Seen
    runs_on: RunsOn
    warnings: tuple[str, ...]


def segment_study(
    folder: Path | None = None,
    output: Path | None = None,
    settings: SegmentSettings | None = None,
    *,
    named: Mapping[str, Path] | None = None,
    name: str | None = None,
    announce: Announce = lambda _stage, _share: None,
) -> Segmented:
    """Segment one study and write its mask and reports.

    Args:
        folder: The study's folder, or one 4-D file; not needed if all four files are named.
        output: Where results go; by default `latup` inside the study's folder.
        settings: Model, labels, device and what to write.
        named: Modality ("t1", "t1ce", "t2", "flair") to a file that wins over the folder's.
        name: The study's name in outputs; by default the folder's.
        announce: Called with the name of a stage and the share of it that is done.

    Returns:
        The report, and the files that were written. The mask has been read back.

    Raises:
        UsageError: If `name` cannot be part of a file's name (exit code 2).
        InputError: If the study cannot be used (3).
        QualityError: If a quality check refuses it (4).
        ModelError: If the model cannot be used (5).
        DeviceError: If the device that was asked for cannot be used (6).
        OutputExistsError: If there are results already, or an input has a result's name (7).
        OutputError: If results cannot be written (10).
    """
    settings = settings or SegmentSettings()
    stages = Stages(announce)
    job = plan_job(folder, output, settings, named=named, name=name)
    with stages("model"):
        model = chosen_model(settings)
    with stages("open"):
        opened = open_engine(model.graph, settings.inference)
    ready = prepare_job(job, model.spec, settings, stages)
    with stages("segment"):
        look = look_job(
            ready,
            model.spec,
            opened,
            settings,
            on_share=lambda share: announce("segment", share),
        )
        found = decide_job(look, ready, model.spec, settings)
    outcome = Outcome(ready.study, ready, found, model, look.warnings)
    return write_results(job, outcome, settings, stages)


def plan_job(
    folder: Path | None,
    output: Path | None,
    settings: SegmentSettings,
    *,
    named: Mapping[str, Path] | None = None,
    name: str | None = None,
) -> Job:
    """Find a study's files and make sure that its results can be written; reads no image.

    Raises:
        UsageError: If `name` cannot be part of a file's name.
        InputError: If the files are not there, or cannot give what was asked for.
        OutputExistsError: If there are results already, or an input has a result's name.
        OutputError: If results cannot be written.
    """
    files = _find(folder, named or {}, name, settings.channels)
    source = folder if folder and folder.is_dir() else files.modalities[REFERENCE].path.parent
    job = make_job(files, source, output or default_output(source), settings)
    check_output(job, overwrite=settings.overwrite)
    return job


def prepare_job(job: Job, spec: ModelSpec, settings: SegmentSettings, stages: Stages) -> Ready:
    """Read a study and make it model-ready.

    Raises:
        InputError: If an image cannot be used.
        QualityError: If a quality check refuses the study.
        DeviceError: If no engine can run the skull-strip networks.
    """
    with stages("read"):
        study = load_study(job.files)
    return make_ready(study, spec, settings, stages)


def look_job(
    ready: Ready,
    spec: ModelSpec,
    opened: Opened,
    settings: SegmentSettings,
    *,
    on_share: Callable[[float], None] = lambda _: None,
) -> Look:
    """Run the network on a prepared study: the one chapter that needs the device.

    Args:
        ready: What the network sees.
        spec: The model's description.
        opened: The model, ready to run.
        settings: Whether windows are seen mirrored.
        on_share: Called after each window with the share of windows that are done.

    Raises:
        DeviceError: If the device fails or its memory is full, and no other may step in.
    """
    seen = look_at(ready.prepared, spec, opened.predict, tta=settings.tta, on_share=on_share)
    return Look(seen, opened.runs_on, opened.warnings)


def decide_job(
    look: Look, ready: Ready, spec: ModelSpec, settings: SegmentSettings
) -> Segmentations:
    """Decide on labels, on the aligned and on the native grid.

    Args:
        look: What the network saw.
        ready: What it was shown.
        spec: The model's description.
        settings: Labels, and whether to keep probabilities.
    """
    prepared, native = ready.prepared, ready.study.grid
    found = decide(look.seen, prepared, spec)
    scheme, keep = label_scheme(settings.labels), settings.save_probabilities
    aligned = on_aligned_grid(found, prepared, scheme, probabilities=keep)
    same = native.matches(prepared.placement.native, tolerance_mm=ONE_GRID_MM)
    return Segmentations(
        aligned,
        aligned if same else on_native_grid(found, prepared, native, scheme, probabilities=keep),
        look.runs_on,
        found.windows,
        found.views,
        _notes(found, spec),
        found.quality,
    )


def _notes(found: Prediction, spec: ModelSpec) -> tuple[str, ...]:
    notes = []
    if found.islands is not None:
        left_out_ml = int(np.count_nonzero(found.islands)) * found.labels.grid.voxel_ml
        notes.append(
            f"{left_out_ml:.3f} mL of tumor in pieces of less than "
            f"{spec.smallest_island_ml:g} mL, in which this model is not believed, is left out."
        )
    if found.unbelieved_ml:
        smallest = spec.smallest_ml.get("ET", 0.0)
        notes.append(
            f"Only {found.unbelieved_ml:.3f} mL of enhancing tumor were found, less than the "
            f"{smallest:g} mL from which this model is believed; they count as NCR."
            if found.unbelieved_ml < smallest
            else f"{found.unbelieved_ml:.3f} mL of enhancing tumor were found, and the network is "
            "too little sure of them to be believed; they count as NCR."
        )
    if found.added_core_ml:
        notes.append(
            "There is no enhancing tumor in this answer, and there was little core. Tumors without "
            f"enhancement have a core too: {found.added_core_ml:.3f} mL that are likeliest to be "
            f"core were taken from edema, toward {spec.least_core_share:.0%} of the tumor. "
            "Judge the border between core and edema by eye."
        )
    odd = (finding for finding in found.quality if finding.verdict is not Verdict.OK)
    return (*notes, *(f"{finding.meaning} {finding.hint}" for finding in odd))


def _find(
    folder: Path | None, named: Mapping[str, Path], name: str | None, channels: str | None
) -> StudyFiles:
    name = None if name is None else checked_name(name)
    if folder is None:
        return study_from_files(named, name, channels=channels)
    return find_study(folder, named=named, name=name, channels=channels)
