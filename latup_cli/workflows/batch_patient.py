"""One patient of a study, through a model that is open already."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from latup_cli.cohort.hashing import content_key, hash_inputs, stamp, unchanged
from latup_cli.cohort.results import row_of_report
from latup_cli.config import SegmentSettings
from latup_cli.domain.cohort import DONE, FAILED, Failure, HashedFile, Record, Task
from latup_cli.errors import (
    DeviceError,
    InputsChangedError,
    LatupError,
    OutputError,
    ReadBackError,
)
from latup_cli.inference.models import Model, chosen_model
from latup_cli.workflows.engines import Opened, open_engine
from latup_cli.workflows.output import make_job, refuse_inputs
from latup_cli.workflows.results import Outcome, Segmented, write_results
from latup_cli.workflows.segment import decide_job, look_job, prepare_job
from latup_cli.workflows.stages import Stages

_NOBODY_CAN_WRITE = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "ENOTCONN", "ENODEV", "ENXIO",
                 "EHOSTDOWN", "EHOSTUNREACH", "ETIMEDOUT", "ENETDOWN", "ENETUNREACH")
    if hasattr(errno, name)
)  # fmt: skip
"""What the system says where the disk is full or gone, which the next patient would meet too."""


_PREVIEW = "_preview.png"


@dataclass(slots=True, eq=False)
class Segmenter:
    """Takes patients through an open model; several threads may call it at once.

    While one patient is in the network, which takes one at a time, others are read, prepared
    and written.

    Attributes:
        settings: As for `latup segment`.
        identity: Of model and settings.
        model: The model, verified.
        opened: The same, ready to run.
        device: Where it runs when all goes well.
    """

    settings: SegmentSettings
    identity: str
    model: Model
    opened: Opened
    device: str
    _network: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, task: Task) -> Record:
        """Segment one patient; whatever goes wrong becomes part of the record."""
        hashed = hash_inputs(task.files)
        try:
            return self._done(task, hashed)
        except LatupError as error:
            failure = Failure.of(error, everybody=_is_everybodys(error))
        except MemoryError:
            hint = "Use fewer --jobs or a computer with more memory; then --retry-failed."
            failure = Failure("MemoryError", DeviceError.exit_code, "The memory is full.", hint)
        except Exception as error:  # noqa: BLE001  (a mistake of ours in one must not stop the rest)
            message = f"This is a mistake in latup: {type(error).__name__}."
            hint = "Run latup segment -v on this patient and report what it says."
            failure = Failure(type(error).__name__, 1, message, hint)
        return replace(self._record(task, hashed), state=FAILED, failure=failure)

    def _done(self, task: Task, hashed: Mapping[str, HashedFile]) -> Record:
        segmented = self._segment(task, hashed)
        return replace(
            self._record(task, hashed),
            results=tuple(
                stamp(path, task.output, with_hash=path == segmented.mask)
                for path in sorted(segmented.files, key=lambda path: path != segmented.mask)
            ),
            row=_row(segmented, task.output),
        )

    def _segment(self, task: Task, hashed: Mapping[str, HashedFile]) -> Segmented:
        stages, spec = Stages(), self.model.spec
        job = make_job(task.files, task.source, task.output / task.name, self.settings)
        job = replace(job, removable=task.removable)
        refuse_inputs(job)
        ready = prepare_job(job, spec, self.settings, stages)
        with self._network:
            with stages("segment"):
                look = look_job(ready, spec, self.opened, self.settings)
            self._back_to_device()
        with stages("segment"):
            found = decide_job(look, ready, spec, self.settings)
        outcome = Outcome(ready.study, ready, found, self.model, look.warnings)
        return write_results(
            job, outcome, self.settings, stages, last_check=partial(_refuse_changed, task, hashed)
        )

    def _back_to_device(self) -> None:
        """If a GPU failed on one patient and the CPU stepped in, try the GPU for the next."""
        if self.opened.runs_on.used != self.device:
            with suppress(DeviceError):
                self.opened = open_engine(self.model.graph, self.settings.inference)
            self.device = self.opened.runs_on.used

    def _record(self, task: Task, hashed: Mapping[str, HashedFile]) -> Record:
        key = content_key(self.identity, task.files, hashed)
        return Record(task.name, DONE, self.identity, key, tuple(hashed.values()))


def open_segmenter(settings: SegmentSettings, identity: str) -> Segmenter:
    """Open the model that the settings name.

    Raises:
        ModelError: If it cannot be used.
        DeviceError: If no engine or device can run it.
    """
    model = chosen_model(settings)
    opened = open_engine(model.graph, settings.inference)
    return Segmenter(settings, identity, model, opened, opened.runs_on.used)


def _refuse_changed(task: Task, hashed: Mapping[str, HashedFile]) -> None:
    """Refuse a result of other bytes than those that were hashed."""
    if not unchanged(task.files, hashed):
        raise InputsChangedError(task.name)


def _is_everybodys(error: LatupError) -> bool:
    if isinstance(error, ReadBackError):
        return True
    cause = error.__cause__
    return (
        isinstance(error, OutputError)
        and isinstance(cause, OSError)
        and cause.errno in _NOBODY_CAN_WRITE
    )


def _row(segmented: Segmented, output: Path) -> dict[str, Any]:
    report = json.loads(segmented.report_file.read_text(encoding="utf-8"))
    files = {"mask": segmented.mask, "report": segmented.report_file}
    preview = next((path for path in segmented.files if path.name.endswith(_PREVIEW)), None)
    if preview is not None:
        files["preview"] = preview
    relative = {kind: path.relative_to(output).as_posix() for kind, path in files.items()}
    return row_of_report(report, relative)
