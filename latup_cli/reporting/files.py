"""Write a report as JSON, for programs and for the record, and as CSV, for tables."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC
from pathlib import Path

from latup_cli.domain.finding import Finding
from latup_cli.domain.report import InputGrid, Report, Volumes
from latup_cli.domain.study import Step
from latup_cli.imaging.atomic import write_text
from latup_cli.labels import LabelScheme

CSV_COLUMNS = (
    "study",
    "region",
    "name",
    "voxels",
    "volume_ml",
    "share_of_brain_percent",
    "brain_ml",
    "model",
    "model_version",
    "created",
)
"""Header of the CSV report; tables of several studies can be put below each other."""

_DIGITS = 4  # 0.0001 mL is a tenth of a cubic millimeter
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_json_report(folder: Path, report: Report) -> Path:
    """Write `<study>_report.json`: UTF-8, indented by 2, keys always in the same order.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    path = folder / f"{report.study}_report.json"
    text = json.dumps(as_json(report), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")
    return path


def write_csv_report(folder: Path, report: Report) -> Path:
    """Write `<study>_report.csv`: a header and one row per region.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    path = folder / f"{report.study}_report.csv"
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(csv_rows(report))
    write_text(path, table.getvalue())
    return path


def csv_rows(report: Report) -> tuple[tuple[str | int, ...], ...]:
    """One row per region, in the order of `CSV_COLUMNS`, numbers with four decimals."""
    return tuple(
        (
            _safe_cell(report.study),
            volume.region,
            volume.name,
            volume.voxels,
            f"{volume.volume_ml:.{_DIGITS}f}",
            f"{volume.share_of_brain_percent:.{_DIGITS}f}",
            f"{report.volumes.brain_ml:.{_DIGITS}f}",
            _safe_cell(report.model.name),
            _safe_cell(report.model.version),
            _timestamp(report),
        )
        for volume in report.volumes.regions
    )


def as_json(report: Report) -> dict[str, object]:
    """A report as JSON's types; mL and percentages have four decimals, seconds three."""
    return {
        "schema_version": report.schema_version,
        "notice": report.notice,
        "study": report.study,
        "created": _timestamp(report),
        "volumes": _volumes(report.volumes),
        "native_volumes": _volumes(report.native_volumes) if report.native_volumes else None,
        "labels": _labels(report.labels),
        "warnings": list(report.warnings),
        "inputs": [
            {
                "modality": file.modality,
                "path": file.path,
                "sha256": file.sha256,
                "reason": file.reason,
            }
            for file in report.inputs
        ],
        "grid": _grid(report.grid),
        "aligned_grid": _grid(report.aligned_grid) if report.aligned_grid else None,
        "quality": [_finding(finding) for finding in report.quality],
        "preprocessing": [_step(step) for step in report.steps],
        "model": {
            "name": report.model.name,
            "version": report.model.version,
            "sha256": report.model.sha256,
        },
        "runs_on": {
            "asked": report.runs_on.asked,
            "used": report.runs_on.used,
            "engine": report.runs_on.engine,
            "provider": report.runs_on.provider,
            "precision": report.runs_on.precision,
            "reason": report.runs_on.reason,
            "precision_reason": report.runs_on.precision_reason,
            "threads": report.runs_on.threads,
            "options": dict(report.runs_on.options),
            "windows": report.windows,
            "window": list(report.window),
            "views": report.views,
        },
        "seconds": {stage: round(s, 3) for stage, s in report.stage_seconds.items()},
        "software": dict(report.software),
        "machine": {
            "system": report.machine.system,
            "architecture": report.machine.architecture,
        },
    }


def _volumes(volumes: Volumes) -> dict[str, object]:
    return {
        "brain": {"voxels": volumes.brain_voxels, "volume_ml": round(volumes.brain_ml, _DIGITS)},
        "regions": {
            volume.region: {
                "name": volume.name,
                "voxels": volume.voxels,
                "volume_ml": round(volume.volume_ml, _DIGITS),
                "share_of_brain_percent": round(volume.share_of_brain_percent, _DIGITS),
            }
            for volume in volumes.regions
        },
    }


def _grid(grid: InputGrid) -> dict[str, object]:
    return {
        "shape": list(grid.shape),
        "spacing_mm": [round(mm, 6) for mm in grid.spacing_mm],
        "axis_order": grid.axis_order,
        "voxel_ml": round(grid.voxel_ml, 9),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "subject": finding.subject,
        "value": round(finding.value, _DIGITS) if math.isfinite(finding.value) else None,
        "unit": finding.unit,
        "warn_at": finding.warn_at,
        "refuse_at": finding.refuse_at,
        "verdict": finding.verdict.value,
        "meaning": finding.meaning,
    }


def _labels(scheme: LabelScheme) -> dict[str, object]:
    return {
        "scheme": scheme.name,
        "numbers": {tissue.name: number for tissue, number in scheme.numbers.items()},
        "names": {str(number): name for number, name in scheme.names.items()},
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "name": step.name,
        "settings": dict(step.settings),
        "seconds": round(step.seconds, 3),
    }


def _timestamp(report: Report) -> str:
    moment = report.created.astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='seconds')}Z"


def _safe_cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula: an apostrophe makes it text."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
