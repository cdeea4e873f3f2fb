"""Where one study's results go, and what there may be replaced or removed: never an input."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latup_cli.config import SegmentSettings, Space
from latup_cli.domain import result_names
from latup_cli.domain.study import REFERENCE, StudyFiles
from latup_cli.errors import (
    InputReplacedError,
    OutputError,
    OutputExistsError,
    SegmentationSourceError,
)
from latup_cli.imaging.atomic import staging
from latup_cli.imaging.nifti_bytes import parts
from latup_cli.intake.folder import is_our_report
from latup_cli.intake.naming import same_on_some_system


@dataclass(frozen=True, slots=True)
class Job:
    """One study, and where its results go.

    Attributes:
        files: Which file is which modality.
        source: The study's folder; reported paths are relative to it.
        output: The folder of the results.
        brain_mask: A file that was given, if any.
        endings: Of the names of all that this run may write.
        removable: Names of an earlier run's results that go if this run does not write them.
    """

    files: StudyFiles
    source: Path
    output: Path
    brain_mask: Path | None = None
    endings: tuple[str, ...] = result_names.ALWAYS
    removable: frozenset[str] = frozenset()

    @property
    def mask(self) -> Path:
        """Where the label map will be."""
        return self.place(result_names.MASK)

    @property
    def report(self) -> Path:
        """Where the report will be."""
        return self.place(result_names.REPORT)

    def place(self, ending: str) -> Path:
        """Where a result will be."""
        return self.output / result_names.result_name(self.files.name, ending)


def make_job(files: StudyFiles, source: Path, output: Path, settings: SegmentSettings) -> Job:
    """One study's job, if its files can give what the settings ask for.

    Raises:
        SegmentationSourceError: If a DICOM Segmentation of other files is asked for.
    """
    if settings.dicom_seg and not files.modalities[REFERENCE].series:
        raise SegmentationSourceError("it did not come as DICOM")
    return Job(
        files,
        source,
        output,
        settings.preparation.brain_mask,
        endings_of(settings),
        all_names(files.name) if settings.overwrite else frozenset(),
    )


def endings_of(settings: SegmentSettings) -> tuple[str, ...]:
    """Endings of the names of everything that a run with these settings may write."""
    asked = (
        (settings.preview, (result_names.PREVIEW, result_names.REGISTRATION)),
        (settings.save_probabilities, (result_names.PROBABILITIES,)),
        (settings.space is Space.BOTH, (result_names.ALIGNED_MASK,)),
        (settings.dicom_seg, (result_names.DICOM_SEG,)),
        (settings.keep_intermediates, result_names.INTERMEDIATES),
    )
    return (*result_names.ALWAYS, *(end for wanted, ends in asked if wanted for end in ends))


def all_names(study: str) -> frozenset[str]:
    """The names of all results that a study can have."""
    return frozenset(result_names.result_name(study, ending) for ending in result_names.ENDINGS)


def check_output(job: Job, *, overwrite: bool) -> None:
    """Refuse before any work is done.

    Raises:
        InputReplacedError: If an input has the name and place of a result.
        OutputExistsError: If there are results already.
        OutputError: If nothing can be written there.
    """
    with named_from(job.source):
        with staging(job.output):
            pass
        refuse_inputs(job)
        there = None if overwrite else first_there(job.output, job.files.name, job.endings)
        if there is not None:
            raise OutputExistsError(there)


def refuse_inputs(job: Job) -> None:
    """Refuse a folder where an input has a result's name: sooner or later it would be replaced.

    An expert's segmentation beside the images counts too, and so does any mask there without a
    report of ours.

    Raises:
        InputReplacedError: If there is one.
    """
    there = _there(job.output, job.files.name, result_names.ENDINGS)
    if not there:
        return
    inputs = {os.path.realpath(path) for path in _inputs(job)}
    folders = {os.path.dirname(path) for path in inputs}  # noqa: PTH120  (of texts)
    if os.path.realpath(job.output) in folders and not is_our_report(job.report):
        inputs.add(os.path.realpath(job.mask))
    for path in there:
        place = os.path.realpath(path)
        if any(same_on_some_system(place, one) for one in inputs):
            raise InputReplacedError(path)


def first_there(folder: Path, study: str, endings: Iterable[str]) -> Path | None:
    """The first result of these endings that is in a folder already; None if there is none."""
    return next(iter(_there(folder, study, endings)), None)


def removable(job: Job) -> tuple[Path, ...]:
    """What is called like a result of an earlier run of ours; nothing without its report.

    To be asked before this run's report lies there.
    """
    if not is_our_report(job.report):
        return ()
    return tuple(path for name in sorted(job.removable) if (path := job.output / name).exists())


def remove(paths: Iterable[Path], *, keep: Collection[Path]) -> None:
    """Leave no picture or image of an earlier run beside a newer mask.

    Raises:
        OutputError: If one cannot be removed.
    """
    for path in paths:
        try:
            if path not in keep:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from error


@contextmanager
def named_from(source: Path) -> Iterator[None]:
    """Name outputs inside the study from there; the folders above may carry a patient's name."""
    try:
        yield
    except OutputError as error:
        path, *facts = error.args
        if path.is_relative_to(source):
            error.args = (path.relative_to(source), *facts)
        raise


def _inputs(job: Job) -> Iterator[Path]:
    """Every file that a run reads, and the expert's segmentation beside them."""
    expert = () if job.files.segmentation is None else (job.files.segmentation,)
    for found in (*job.files.modalities.values(), *expert):
        yield from found.series or parts(found.path)
    if job.brain_mask is not None:
        yield from parts(job.brain_mask)


def _there(folder: Path, study: str, endings: Iterable[str]) -> list[Path]:
    """Results that a folder has by name, or by a name that some system takes for the same."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # nothing is in a folder that is not there; others say what else is wrong
        return []
    wanted = [result_names.result_name(study, ending) for ending in endings]
    return [
        folder / name for name in wanted if any(same_on_some_system(name, one) for one in names)
    ]
