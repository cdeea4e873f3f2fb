"""Write what a segmentation found, read it back, and leave nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from latup_cli import __version__
from latup_cli.config import SegmentSettings, Space
from latup_cli.domain.report import Report
from latup_cli.domain.result_names import (
    ALIGNED_MASK,
    DICOM_SEG,
    MASK,
    PREVIEW,
    PROBABILITIES,
    REGISTRATION,
    result_name,
)
from latup_cli.domain.segmentation import Segmentations
from latup_cli.domain.study import REFERENCE, AlignedStudy, SpatialCodes, Study, StudyFiles
from latup_cli.domain.transform import Registration
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import ReadBackError
from latup_cli.imaging import nifti
from latup_cli.imaging.atomic import staging
from latup_cli.inference.models import Model
from latup_cli.reporting.build import RunFacts, build_report, model_identity
from latup_cli.reporting.files import write_csv_report, write_json_report
from latup_cli.workflows.align import Ready
from latup_cli.workflows.output import Job, named_from, refuse_inputs, removable, remove
from latup_cli.workflows.stages import Stages


@dataclass(frozen=True, slots=True)
class Segmented:
    """What `segment_study` made.

    Attributes:
        report: Volumes, provenance and warnings.
        mask: The label map's file.
        report_file: The report as JSON.
        files: Everything that was written, the mask included.
        study: Which file was taken for which modality, and why.
    """

    report: Report
    mask: Path
    report_file: Path
    files: tuple[Path, ...]
    study: StudyFiles


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A segmentation with everything that its report names.

    Attributes:
        study: The images as they came.
        ready: The same aligned and prepared, with what was measured on the way.
        found: What the network said.
        model: What said it.
        warnings: What happened to the engine on the way.
    """

    study: Study
    ready: Ready
    found: Segmentations
    model: Model
    warnings: tuple[str, ...] = ()


def write_results(
    job: Job,
    outcome: Outcome,
    settings: SegmentSettings,
    stages: Stages,
    *,
    last_check: Callable[[], None] = lambda: None,
) -> Segmented:
    """Write mask, reports and what else was asked for, all or nothing.

    Args:
        job: What was segmented, and where results go.
        outcome: What was found.
        settings: What is wanted of it.
        stages: How long each stage took.
        last_check: Called before the first result takes its place; if it raises, none does.

    Raises:
        InputReplacedError: If an input has the name and place of a result.
        OutputError: If results cannot be written.
        ReadBackError: If the mask does not hold what was written.
    """
    refuse_inputs(job)
    with named_from(job.source):
        earlier = removable(job)
        with staging(job.output) as stage:
            with stages("write"):
                _write_images(stage, job.files.name, outcome, settings)
            report = _report(job, outcome, stages)
            report_file = write_json_report(stage, report)
            write_csv_report(stage, report)
            written = tuple(job.output / path.name for path in sorted(stage.iterdir()))
            last_check()
        remove(earlier, keep=written)
    return Segmented(report, job.mask, job.output / report_file.name, written, job.files)


def _write_images(stage: Path, name: str, outcome: Outcome, settings: SegmentSettings) -> None:
    found, codes = outcome.found, outcome.study.codes
    aligned, native = found.aligned, found.native
    main = aligned if settings.space is Space.MODEL else native
    _write_mask(stage / result_name(name, MASK), main.labels, codes)
    if settings.space is Space.BOTH and aligned is not native:
        _write_mask(stage / result_name(name, ALIGNED_MASK), aligned.labels, codes)
    if main.probabilities:
        stacked = np.stack(list(main.probabilities.values()), axis=-1)
        path = stage / result_name(name, PROBABILITIES)
        nifti.write_volume(path, stacked, main.labels.grid, codes)
    if settings.preview:
        _write_pictures(stage, name, outcome)
    if settings.dicom_seg:
        _write_dicom_seg(stage / result_name(name, DICOM_SEG), outcome)
    if settings.keep_intermediates:
        _write_intermediates(stage, name, outcome.ready.aligned, codes)


def _write_mask(path: Path, labels: LabelMap, codes: SpatialCodes) -> None:
    nifti.write_labels(path, labels, codes)
    _read_back(path, labels)


def _write_pictures(stage: Path, name: str, outcome: Outcome) -> None:
    """The preview, and where something was registered a sheet to judge that by."""
    from latup_cli.reporting.preview import write_preview
    from latup_cli.reporting.registration_sheet import write_registration_sheet

    ready, aligned = outcome.ready, outcome.found.aligned
    images = dict(ready.aligned.images)
    path = stage / result_name(name, PREVIEW)
    write_preview(path, images, aligned.labels, aligned.brain, title=name)
    if not ready.motions:
        return
    reference = images.pop(REFERENCE)
    notes = {modality: _in_words(motion) for modality, motion in ready.motions.items()}
    path = stage / result_name(name, REGISTRATION)
    write_registration_sheet(path, reference, images, ready.aligned.brain, title=name, notes=notes)


def _in_words(motion: Registration) -> str:
    before, after = motion.mutual_information_before, motion.mutual_information_after
    return (
        f"moved {motion.translation_mm:.1f} mm, turned {motion.rotation_deg:.1f} degrees; "
        f"mutual information {before:.2f} to {after:.2f}"
    )


def _write_dicom_seg(path: Path, outcome: Outcome) -> None:
    from latup_cli.reporting.dicom_seg import write_dicom_seg

    write_dicom_seg(
        path,
        outcome.found.native.labels,
        outcome.study.files.modalities[REFERENCE].series,
        model=model_identity(outcome.model.spec),
        software_version=__version__,
    )


def _write_intermediates(
    stage: Path, name: str, aligned: AlignedStudy, codes: SpatialCodes
) -> None:
    for modality, image in aligned.images.items():
        nifti.write_volume(
            stage / f"{name}_aligned_{modality}.nii.gz", image.data, image.grid, codes
        )
    brain = aligned.brain
    nifti.write_volume(
        stage / f"{name}_brain.nii.gz", brain.data.astype(np.float32), brain.grid, codes
    )


def _report(job: Job, outcome: Outcome, stages: Stages) -> Report:
    ready, found, model = outcome.ready, outcome.found, outcome.model
    run = RunFacts(
        folder=job.source,
        created=datetime.now(UTC),
        stage_seconds=stages.seconds,
        warnings=(*ready.warnings, *model.notes, *outcome.warnings, *found.notes),
        quality=(*ready.quality, *found.quality),
    )
    return build_report(outcome.study, ready.prepared, found, model.spec, run)


def _read_back(path: Path, labels: LabelMap) -> None:
    """Trust nothing that was not read again."""
    found = nifti.read_labels(path)
    if not found.grid.matches(labels.grid) or not np.array_equal(found.data, labels.data):
        raise ReadBackError(path)
