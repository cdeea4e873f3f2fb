"""`latup batch`, in the order it happens: find, compare with the ledger, segment, tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from latup_cli import __version__
from latup_cli.cohort.hashing import content_key, hash_inputs, settings_identity
from latup_cli.cohort.ledger import Ledger, LedgerWriter, Run, read_ledger, utc_now
from latup_cli.cohort.lock import locked
from latup_cli.cohort.plan import Plan, Wanted, make_plan, part_of
from latup_cli.cohort.results import write_results
from latup_cli.config import BatchSettings, SegmentSettings, default_output
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Cohort, Patient, Record, Task
from latup_cli.domain.model import MeasuredWindow
from latup_cli.domain.study import REFERENCE
from latup_cli.errors import (
    InputError,
    InterruptedRunError,
    OutputError,
    RunGoesOnError,
    StoppedRunError,
    StudyGoneError,
)
from latup_cli.inference.models import Model, chosen_model
from latup_cli.inference.threads import threads
from latup_cli.workflows.batch_intake import find_cohort
from latup_cli.workflows.batch_leftovers import remove_leftovers
from latup_cli.workflows.batch_page import write_study_page
from latup_cli.workflows.batch_places import looks, refuse_tables
from latup_cli.workflows.batch_workers import Work, run_in_workers
from latup_cli.workflows.output import all_names
from latup_cli.workflows.signals import interruptible

SOME_FAILED, ALL_FAILED = 8, 9


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: Patients of this part of the study.
        done: Of these, with a result, of whatever run.
        failed: Of these.
        before: Patients that earlier runs saw to and this one leaves alone.
        record: The patient that has just ended; None at the beginning.
        note: What else to know.
    """

    total: int
    done: int = 0
    failed: int = 0
    before: int = 0
    record: Record | None = None
    note: str = ""


Tell: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class BatchDone:
    """What `run_batch` has come to.

    Attributes:
        output: Folder of all results.
        records: Everybody of this part.
        before: How many of them earlier runs had seen to.
        files: The tables and the page.
        cohort: Everybody of the study.
    """

    output: Path
    records: tuple[Record, ...]
    before: int
    files: tuple[Path, ...]
    cohort: Cohort

    @property
    def done(self) -> int:
        """Patients with a result."""
        return sum(record.state == DONE for record in self.records)

    @property
    def failed(self) -> tuple[Record, ...]:
        """Patients without one."""
        return tuple(record for record in self.records if record.state == FAILED)

    @property
    def exit_code(self) -> int:
        """0 if all are done, 8 if some failed, 9 if all failed."""
        if not self.failed:
            return 0
        return SOME_FAILED if self.done else ALL_FAILED


@dataclass(slots=True)
class _Going:
    """A run under way."""

    output: Path
    cohort: Cohort
    patients: Sequence[Patient]
    identity: str
    settings: SegmentSettings
    model: Model
    tell: Tell
    records: dict[str, Record] = field(default_factory=dict)
    before: int = 0
    finished: int = 0

    @property
    def pending(self) -> list[str]:
        return [record.name for record in self.records.values() if record.state == PENDING]

    @property
    def left(self) -> int:
        return len(self.pending)

    def progress(self, record: Record | None = None, note: str = "") -> None:
        states = [record.state for record in self.records.values()]
        done, failed = states.count(DONE), states.count(FAILED)
        self.tell(Progress(len(self.patients), done, failed, self.before, record, note))


def run_batch(
    study: Path,
    output: Path | None = None,
    settings: BatchSettings | None = None,
    *,
    tell: Tell = lambda _: None,
) -> BatchDone:
    """Segment every patient of a study that has no result yet.

    Args:
        study: A folder with patients at any depth, or a CSV or TSV table of them.
        output: Where results go, a folder for each patient and the tables; by default `latup`
            in the study.
        settings: How, and which part of the study.
        tell: Called at the beginning and whenever a patient has ended.

    Returns:
        Everybody's state, and the tables. Patients that fail do not raise.

    Raises:
        InputError: If there is no such study, or it goes away (exit code 3).
        ModelError: If the model cannot be used (5).
        DeviceError: If the device cannot be used, or workers die before they begin (6).
        OtherSettingsError: If there are results of another model or other settings (7).
        OutputExistsError: If there are tables of something else (7).
        RunGoesOnError: If another run works on the same patients (7).
        OutputError: If results cannot be written; so does `StoppedRunError` (10).
        InterruptedRunError: After Ctrl-C; what is done stays done (130).
    """
    settings = settings or BatchSettings()
    cohort = find_cohort(study, settings.segment.channels)
    output = output or default_output(cohort.root)
    patients = part_of(cohort.patients, settings.num_parts, settings.part_id)
    model = chosen_model(settings.segment)
    identity = settings_identity(model_facts(model), settings.segment)
    going = _Going(output, cohort, patients, identity, settings.segment, model, tell)
    wanted = Wanted(
        output=output,
        settings=identity,
        retry_failed=settings.retry_failed,
        overwrite=settings.overwrite,
        looks=looks(settings.segment),
    )
    if not settings.overwrite:
        refuse_tables(output)
    with locked(output, settings.num_parts, settings.part_id) as lost:
        known = read_ledger(output)
        plan = make_plan(patients, known, wanted)
        _begin(going, plan)
        if plan.news or not known.runs:  # a part without patients is told from no run at all
            run = Run(
                __version__,
                utc_now(),
                identity,
                tuple(patient.name for patient in patients),
                settings.num_parts,
                settings.part_id,
            )
            with LedgerWriter(output, run) as ledger:
                ledger.append(*plan.news)
                remove_leftovers(output, going.pending)
                _work(going, plan, settings, ledger, lost)
        files = _tables(going)
    records = tuple(going.records[patient.name] for patient in patients)
    return BatchDone(output, records, going.before, files, cohort)


def model_facts(model: Model) -> tuple[object, ...]:
    """What tells a model from others in its results; its prose does not.

    What is not said in a description adds nothing, so that a field that is added to the
    program later does not make anybody's results void.
    """
    spec, overlap = model.spec, model.spec.default_window.overlap
    optional = {
        "overlap": overlap if overlap != MeasuredWindow(spec.window).overlap else None,
        "smallest_ml": sorted(spec.smallest_ml.items()),
        "smallest_island_ml": spec.smallest_island_ml or None,
        "least_core_share": spec.least_core_share or None,
        "least_certainty": sorted(spec.least_certainty.items()),
        "precisions": sorted(
            (name, found.sha256)
            for name, found in spec.precisions.items()
            if found.allowed_as_default
        ),
    }
    return (
        spec.sha256,
        spec.channels,
        spec.axis_order,
        spec.spacing_mm,
        spec.normalization,
        spec.window,
        spec.stride,
        spec.classes,
        spec.activation,
        *((name, fact) for name, fact in optional.items() if fact is not None and fact != []),
    )


def _begin(going: _Going, plan: Plan) -> None:
    going.records |= {record.name: record for record in (*plan.before, *plan.news)}
    going.before = len(plan.before) + sum(record.state == DONE for record in plan.news)
    going.progress()
    for record in plan.news:
        if record.state == FAILED:
            going.progress(record)


def _work(
    going: _Going,
    plan: Plan,
    settings: BatchSettings,
    ledger: LedgerWriter,
    lost: threading.Event,
) -> None:
    """Do what is left, and end in a way that the next run can go on from."""
    tasks = [
        replace(_task(patient, going.output), removable=_removable(going, patient.name, settings))
        for patient in plan.todo
    ]
    try:
        with interruptible(lambda: going.progress(note=_finishing(going))) as stop:
            records = _execute(tasks, settings, going.identity, stop)
            with closing(records):
                _take_in(going, plan, records, ledger, lost)
    except KeyboardInterrupt:
        pass  # what is left is counted below
    except OutputError as error:
        raise StoppedRunError(str(error), going.left) from error
    finally:
        with suppress(OSError):
            remove_leftovers(going.output, going.pending)
    if going.left:
        with suppress(OutputError):
            _tables(going)
        raise InterruptedRunError(going.finished, going.left)


def _take_in(
    going: _Going,
    plan: Plan,
    records: Iterator[Record],
    ledger: LedgerWriter,
    lost: threading.Event,
) -> None:
    """Write down every end before it is told."""
    patients = {patient.name: patient for patient in plan.todo}
    for record in records:
        whole = _with_key(record, patients[record.name], going.identity)
        if whole.state == FAILED:  # an earlier result is still there, and still ours
            whole = replace(whole, results=going.records[whole.name].results)
        _check(going, whole, lost)
        ledger.append(whole)
        going.records[whole.name] = whole
        going.finished += 1
        going.progress(whole)


def _execute(
    tasks: Sequence[Task], settings: BatchSettings, identity: str, stop: threading.Event
) -> Generator[Record, None, None]:
    if not tasks:
        return
    open_work = partial(_open, _with_threads(settings), identity)
    if settings.scheduler is None:
        yield from run_in_workers(tasks, open_work, jobs=settings.jobs, stop=stop)
        return
    from latup_cli.workflows.batch_dask import run_on_cluster

    yield from run_on_cluster(tasks, open_work, scheduler=settings.scheduler, stop=stop)


def _open(settings: SegmentSettings, identity: str) -> Work:
    """In a worker: only there are engines and image libraries needed."""
    from latup_cli.workflows.batch_patient import open_segmenter

    return open_segmenter(settings, identity)


def _with_threads(settings: BatchSettings) -> SegmentSettings:
    """Share the processor's cores between workers, unless the user has said how many each takes."""
    inference = settings.segment.inference
    if settings.jobs == 1 or inference.threads:
        return settings.segment
    each = max(1, threads() // settings.jobs)
    return replace(settings.segment, inference=replace(inference, threads=each))


def _task(patient: Patient, output: Path) -> Task:
    if patient.files is None:
        raise ValueError(f"{patient.name} has no files")
    source = patient.source
    folder = source if source and source.is_dir() else None
    folder = folder or patient.files.modalities[REFERENCE].path.parent
    return Task(patient.name, patient.files, folder, output, __version__)


def _removable(going: _Going, name: str, settings: BatchSettings) -> frozenset[str]:
    """What of an earlier run goes: all that is called as a result, or what the ledger names."""
    if settings.overwrite:
        return all_names(name)
    return frozenset(PurePosixPath(file.path).name for file in going.records[name].results)


def _with_key(record: Record, patient: Patient, identity: str) -> Record:
    """A patient that killed its worker has left no word about its inputs."""
    if record.key or patient.files is None:
        return replace(record, settings=identity)
    hashed = hash_inputs(patient.files)
    key = content_key(identity, patient.files, hashed)
    return replace(record, settings=identity, key=key, inputs=tuple(hashed.values()))


def _check(going: _Going, record: Record, lost: threading.Event) -> None:
    """Stop where the next patient would fail for the same reason; nothing is written down."""
    if lost.is_set():
        raise RunGoesOnError(going.output, "it took over while this one did not answer")
    failure = record.failure
    if failure is None:
        return
    if failure.everybody:
        raise StoppedRunError(failure.message, going.left)
    if failure.exit_code == InputError.exit_code and not _is_there(going.cohort.root):
        raise StudyGoneError(going.left)


def _is_there(root: Path) -> bool:
    """Whether a folder can be listed and is not the bare place where a share is mounted."""
    try:
        return any(root.iterdir())
    except OSError:
        return False


def _finishing(going: _Going) -> str:
    return (
        f"Finishing what is in work; {going.left} of {len(going.patients)} patients are left. "
        "Press Ctrl-C again to abandon it."
    )


def _tables(going: _Going) -> tuple[Path, ...]:
    """Write tables and page of the whole study; again if another part has got further meanwhile."""
    names = [patient.name for patient in going.cohort.patients]
    while True:
        ledger = read_ledger(going.output)
        records = [_known(ledger, name) for name in names]
        files = write_results(going.output, records)
        aside = len(going.cohort.passed_over)
        page = write_study_page(
            going.output, records, going.settings, going.model.spec, passed_over=aside
        )
        if read_ledger(going.output).records == ledger.records:
            return (*files, page)


def _known(ledger: Ledger, name: str) -> Record:
    known: Mapping[str, Record] = ledger.records
    return known.get(name) or Record(name, PENDING)
