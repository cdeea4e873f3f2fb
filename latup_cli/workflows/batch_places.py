"""What lies where a study's results go before a run begins, and may be somebody's work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from latup_cli.cohort.earlier import Looks
from latup_cli.cohort.ledger import ledger_files
from latup_cli.cohort.page import SUMMARY_HTML
from latup_cli.cohort.results import FAILURES_CSV, SUMMARY_CSV, SUMMARY_JSON
from latup_cli.config import SegmentSettings
from latup_cli.domain.result_names import MASK, REPORT
from latup_cli.errors import LatupError, OutputExistsError, UnreadableImageError
from latup_cli.imaging import nifti
from latup_cli.intake.folder import is_our_report
from latup_cli.workflows.output import endings_of, first_there

_TABLES = (SUMMARY_CSV, SUMMARY_JSON, SUMMARY_HTML, FAILURES_CSV)


def looks(settings: SegmentSettings) -> Looks:
    """How to look at what lies in the folder of a patient that is segmented with some settings."""
    return Looks(partial(first_there, endings=endings_of(settings)), is_left_over, is_image)


def refuse_tables(output: Path) -> None:
    """Refuse a folder with tables that no run of `latup batch` has written.

    Raises:
        OutputExistsError: If there is one.
    """
    there = [output / name for name in _TABLES if (output / name).exists()]
    if there and not ledger_files(output):  # which another part writes before the tables
        raise OutputExistsError(there[0])


def is_left_over(mask: Path) -> bool:
    """Whether there is no mask, or only one that a stopped run may have left.

    That is one that cannot be read, or one beside a report of ours that was written after it.
    """
    if not is_image(mask):
        return True
    report = mask.with_name(mask.name.removesuffix(MASK) + REPORT)
    try:
        return is_our_report(report) and mask.stat().st_mtime_ns <= report.stat().st_mtime_ns
    except OSError:
        return False


def is_image(path: Path) -> bool:
    """Whether a file can be read as an image; one of another format or content is one, too."""
    try:
        nifti.read(path)
    except UnreadableImageError:
        return False
    except LatupError:
        return True
    return True
