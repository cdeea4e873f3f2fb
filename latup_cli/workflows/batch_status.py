"""`latup batch --status`: where a run stands, from its ledger and its locks alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from latup_cli.cohort.ledger import FOLDER, read_ledger
from latup_cli.cohort.lock import holders
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Record
from latup_cli.errors import NotARunError


@dataclass(frozen=True, slots=True)
class Status:
    """Where the runs in an output folder stand.

    Attributes:
        records: The last word about everybody, by name.
        running: Who is at work now.
        runs: How many runs there have been.
        changed: When the ledger was last written to, in UTC.
    """

    records: tuple[Record, ...]
    running: tuple[str, ...]
    runs: int
    changed: datetime

    def of_state(self, state: str) -> tuple[Record, ...]:
        """Everybody in one state."""
        return tuple(record for record in self.records if record.state == state)


def batch_status(output: Path) -> Status:
    """Read where a run stands; changes nothing.

    Raises:
        NotARunError: If no run has begun there.
        OutputError: If the ledger cannot be read.
    """
    if not (output / FOLDER).is_dir():
        raise NotARunError(output)
    ledger = read_ledger(output)
    named = {name for run in ledger.runs for name in run.patients}
    unknown = {name: Record(name, PENDING) for name in named - ledger.records.keys()}
    everybody = {**unknown, **ledger.records}
    return Status(
        tuple(everybody[name] for name in sorted(everybody)),
        tuple(str(holder) for holder in holders(output).values()),
        len(ledger.runs),
        datetime.fromtimestamp(ledger.changed_ns / 1e9, UTC),
    )


def status_json(status: Status) -> dict[str, object]:
    """The status as JSON's types."""
    return {
        "counts": {state: len(status.of_state(state)) for state in (DONE, FAILED, PENDING)},
        "running": list(status.running),
        "runs": status.runs,
        "changed": status.changed.isoformat(timespec="seconds"),
        "failed": {
            record.name: record.failure.message
            for record in status.of_state(FAILED)
            if record.failure is not None
        },
        "pending": [record.name for record in status.of_state(PENDING)],
    }
