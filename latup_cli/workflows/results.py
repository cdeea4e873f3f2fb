"""Write what a segmentation found, read it back, and leave nothing half-written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from latup_cli import __version__
from latup_cli.config import SegmentSettings, Space
from latup_cli.domain.report import Report
from latup_cli.domain.segmentation import Segmentations
from latup_cli.domain.study import REFERENCE, AlignedStudy, SpatialCodes, Study, StudyFiles
from latup_cli.domain.transform import Registration
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import (
    OutputError,
    OutputExistsError,
    ReadBackError,
    SegmentationSourceError,
)
from latup_cli.imaging import nifti
from latup_cli.imaging.atomic import staging
from latup_cli.inference.models import Model
from latup_cli.intake.naming import same_on_some_system
from latup_cli.labels import MODALITIES
from latup_cli.reporting.build import RunFacts, build_report, model_identity
from latup_cli.reporting.files import write_csv_report, write_json_report
from latup_cli.workflows.align import Ready
from latup_cli.workflows.stages import Stages

_OPTIONAL_ENDINGS = (
    "preview.png",
    "registration.png",
    "probabilities.nii.gz",
    "space-model_seg.nii.gz",
    "brain.nii.gz",
    *(f"aligned_{modality}.nii.gz" for modality in MODALITIES),
    "seg.dcm",
)


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


@dataclass(frozen=True, slots=True)
class Job:
    """One study, and where its results go.

    Attributes:
        files: Which file is which modality.
        source: The study's folder; reported paths are relative to it.
        output: The folder of the results.
    """

    files: StudyFiles
    source: Path
    output: Path

    @property
    def mask(self) -> Path:
        """Where the label map will be."""
        return self.output / f"{self.files.name}_seg.nii.gz"


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


def make_job(files: StudyFiles, source: Path, output: Path, settings: SegmentSettings) -> Job:
    """One study's job, if its files can give what the settings ask for.

    Raises:
        SegmentationSourceError: If a DICOM Segmentation of other files is asked for.
    """
    if settings.dicom_seg and not files.modalities[REFERENCE].series:
        raise SegmentationSourceError("it did not come as DICOM")
    return Job(files, source, output)


def check_output(job: Job, *, overwrite: bool) -> None:
    """Refuse before any work is done.

    Raises:
        OutputExistsError: If there are results already.
        OutputError: If nothing can be written there.
    """
    with _named_from(job.source):
        with staging(job.output):
            names = [path.name for path in job.output.iterdir()]
        if not overwrite and any(same_on_some_system(name, job.mask.name) for name in names):
            raise OutputExistsError(job.mask)


def write_results(
    job: Job, outcome: Outcome, settings: SegmentSettings, stages: Stages
) -> Segmented:
    """Write mask, reports and what else was asked for, all or nothing.

    Raises:
        OutputError: If results cannot be written.
        ReadBackError: If the mask does not hold what was written.
    """
    with _named_from(job.source):
        with staging(job.output) as stage:
            with stages("write"):
                _write_images(stage, job.files.name, outcome, settings)
            report = _report(job, outcome, stages)
            report_file = write_json_report(stage, report)
            write_csv_report(stage, report)
            written = tuple(job.output / path.name for path in sorted(stage.iterdir()))
        _remove_earlier(job, keep=written)
    return Segmented(report, job.mask, job.output / report_file.name, written, job.files)


def _write_images(stage: Path, name: str, outcome: Outcome, settings: SegmentSettings) -> None:
    found, codes = outcome.found, outcome.study.codes
    aligned, native = found.aligned, found.native
    main = aligned if settings.space is Space.MODEL else native
    _write_mask(stage / f"{name}_seg.nii.gz", main.labels, codes)
    if settings.space is Space.BOTH and aligned is not native:
        _write_mask(stage / f"{name}_space-model_seg.nii.gz", aligned.labels, codes)
    if main.probabilities:
        stacked = np.stack(list(main.probabilities.values()), axis=-1)
        path = stage / f"{name}_probabilities.nii.gz"
        nifti.write_volume(path, stacked, main.labels.grid, codes)
    if settings.preview:
        _write_pictures(stage, name, outcome)
    if settings.dicom_seg:
        _write_dicom_seg(stage / f"{name}_seg.dcm", outcome)
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
    path = stage / f"{name}_preview.png"
    write_preview(path, images, aligned.labels, aligned.brain, title=name)
    if not ready.motions:
        return
    reference = images.pop(REFERENCE)
    notes = {modality: _in_words(motion) for modality, motion in ready.motions.items()}
    path = stage / f"{name}_registration.png"
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


@contextmanager
def _named_from(source: Path) -> Iterator[None]:
    """Name outputs inside the study from there; the folders above may carry a patient's name."""
    try:
        yield
    except OutputError as error:
        path, *facts = error.args
        if path.is_relative_to(source):
            error.args = (path.relative_to(source), *facts)
        raise


def _remove_earlier(job: Job, *, keep: Collection[Path]) -> None:
    """Leave no picture or image of an earlier run beside a newer mask."""
    for path in (job.output / f"{job.files.name}_{ending}" for ending in _OPTIONAL_ENDINGS):
        try:
            if path not in keep:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from error


def _read_back(path: Path, labels: LabelMap) -> None:
    """Trust nothing that was not read again."""
    found = nifti.read_labels(path)
    if not found.grid.matches(labels.grid) or not np.array_equal(found.data, labels.data):
        raise ReadBackError(path)
