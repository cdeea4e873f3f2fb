"""`latup segment`, in the order it happens: check, read, prepare, predict, restore, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from latup_cli.config import SegmentSettings, default_output
from latup_cli.domain.report import Report
from latup_cli.domain.segmentation import Segmentation
from latup_cli.domain.study import PreparedStudy, Study, StudyFiles
from latup_cli.domain.volume import LabelMap, Mask
from latup_cli.errors import OutputError, OutputExistsError, ReadBackError
from latup_cli.imaging import nifti
from latup_cli.imaging.atomic import staging
from latup_cli.inference.models import Model, load_model, shipped_model
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.intake.naming import checked_name, same_on_some_system
from latup_cli.labels import REGIONS, label_scheme
from latup_cli.preprocess.prepare import prepare
from latup_cli.preprocess.restore import to_native
from latup_cli.reporting.build import RunFacts, build_report
from latup_cli.reporting.files import write_csv_report, write_json_report
from latup_cli.reporting.preview import write_preview
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.predict import predict_prepared

Announce: TypeAlias = Callable[[str, float], None]
"""Name of the stage that goes on, and the share of it that is done, in [0, 1]."""

_OPTIONAL_ENDINGS = ("preview.png", "probabilities.nii.gz")


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


@dataclass(slots=True)
class _Stages:
    """Announces each stage and keeps its seconds."""

    announce: Announce
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.announce(name, 0.0)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


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
        OutputExistsError: If there are results already (7).
        OutputError: If results cannot be written (10).
    """
    settings = settings or SegmentSettings()
    stages = _Stages(announce)
    scheme = label_scheme(settings.labels)
    files = _find(folder, named or {}, name, settings.channels)
    source = folder if folder and folder.is_dir() else files.modalities["t1ce"].path.parent
    output = output or default_output(source)
    with _named_from(source):
        _check_output(output, files.name, overwrite=settings.overwrite)
    with stages("model"):
        model = load_model(settings.weights) if settings.weights else shipped_model(settings.model)
    with stages("read"):
        study = load_study(files)
    with stages("prepare"):
        prepared = prepare(study, model.spec)
    with stages("open"):
        opened = open_engine(model, settings.inference)
    with stages("segment"):
        result = predict_study(
            prepared, model, opened, settings, on_share=lambda share: announce("segment", share)
        )
    mask = result.labels.renumbered(scheme)
    segmentation = Segmentation(
        mask, result.brain, result.runs_on, result.windows, result.probabilities
    )
    outcome = _Outcome(study, prepared, segmentation, model, source, opened.warnings)
    with _named_from(source):
        return _write(outcome, output, settings, stages)


def predict_study(
    prepared: PreparedStudy,
    model: Model,
    opened: Opened,
    settings: SegmentSettings,
    *,
    on_share: Callable[[float], None] = lambda _: None,
) -> Segmentation:
    """Run the network on a prepared study and bring the answer back to the input's array.

    Args:
        prepared: What the network sees.
        model: The model, verified.
        opened: The same model, ready to run.
        settings: Overlap of windows, and whether to keep probabilities.
        on_share: Called after each window with the share of windows that are done.

    Returns:
        The segmentation on the native grid, its labels in the numbers of `Tissue`.
    """
    found = predict_prepared(
        prepared,
        model.spec,
        opened.predict,
        overlap=settings.inference.overlap,
        on_share=on_share,
    )
    brain = to_native(prepared.brain.data, prepared).astype(bool, copy=False)
    return Segmentation(
        found.labels,
        Mask(brain, found.labels.grid),
        opened.runs_on,
        found.windows,
        _native_probabilities(found.regions, prepared) if settings.save_probabilities else {},
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A segmentation with everything that its report names."""

    study: Study
    prepared: PreparedStudy
    segmentation: Segmentation
    model: Model
    source: Path
    warnings: tuple[str, ...]


def _find(
    folder: Path | None, named: Mapping[str, Path], name: str | None, channels: str | None
) -> StudyFiles:
    name = None if name is None else checked_name(name)
    if folder is None:
        return study_from_files(named, name, channels=channels)
    return find_study(folder, named=named, name=name, channels=channels)


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


def _check_output(output: Path, study: str, *, overwrite: bool) -> None:
    """Refuse before any work is done."""
    mask = output / f"{study}_seg.nii.gz"
    with staging(output):
        taken = any(same_on_some_system(path.name, mask.name) for path in output.iterdir())
    if taken and not overwrite:
        raise OutputExistsError(mask)


def _write(
    outcome: _Outcome, output: Path, settings: SegmentSettings, stages: _Stages
) -> Segmented:
    study, segmentation = outcome.study, outcome.segmentation
    name, codes = study.files.name, study.codes
    with staging(output) as stage:
        with stages("write"):
            mask = stage / f"{name}_seg.nii.gz"
            nifti.write_labels(mask, segmentation.labels, codes)
            _read_back(mask, segmentation.labels)
            if segmentation.probabilities:
                stacked = np.stack(list(segmentation.probabilities.values()), axis=-1)
                path = stage / f"{name}_probabilities.nii.gz"
                nifti.write_volume(path, stacked, study.grid, codes)
            if settings.preview:
                path = stage / f"{name}_preview.png"
                labels, brain = segmentation.labels, segmentation.brain
                write_preview(path, study.images, labels, brain, title=name)
        run = RunFacts(
            folder=outcome.source,
            created=datetime.now(UTC),
            stage_seconds=stages.seconds,
            warnings=outcome.warnings,
        )
        spec = outcome.model.spec
        report = build_report(study, outcome.prepared, segmentation, spec, run)
        report_file = write_json_report(stage, report)
        write_csv_report(stage, report)
        written = tuple(output / path.name for path in sorted(stage.iterdir()))
    _remove_earlier(output, name, keep=written)
    return Segmented(report, output / mask.name, output / report_file.name, written, study.files)


def _remove_earlier(output: Path, study: str, *, keep: Collection[Path]) -> None:
    """Leave no preview or probabilities of an earlier run beside a newer mask."""
    for path in (output / f"{study}_{ending}" for ending in _OPTIONAL_ENDINGS):
        try:
            if path not in keep:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from error


def _read_back(path: Path, labels: LabelMap) -> None:
    """Trust nothing that was not read again.

    Raises:
        ReadBackError: If the file does not hold what was written.
    """
    found = nifti.read_labels(path)
    if not found.grid.matches(labels.grid) or not np.array_equal(found.data, labels.data):
        raise ReadBackError(path)


def _native_probabilities(
    regions: npt.NDArray[np.float32], prepared: PreparedStudy
) -> dict[str, npt.NDArray[np.float32]]:
    return {
        name: to_native(region, prepared).astype(np.float32, copy=False)
        for name, region in zip(REGIONS, regions, strict=True)
    }
