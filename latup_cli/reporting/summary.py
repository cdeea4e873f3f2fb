"""The few rows that a person reads in the terminal when a study is done."""

from __future__ import annotations

from latup_cli.domain.report import Report

SUMMARY_COLUMNS = ("region", "mL", "voxels", "% of brain")
"""Header of the table; all but the first are numbers and look best aligned to the right."""

_SMALL_ML = 10.0


def summary_rows(report: Report) -> tuple[tuple[str, str, str, str], ...]:
    """WT, TC, ET, NCR, ED and the brain, as text in the order of `SUMMARY_COLUMNS`."""
    regions = tuple(
        (
            f"{volume.name} ({volume.region})",
            format_ml(volume.volume_ml),
            f"{volume.voxels:,}",
            f"{volume.share_of_brain_percent:.2f}",
        )
        for volume in report.volumes.regions
    )
    volumes = report.volumes
    brain = ("brain", format_ml(volumes.brain_ml), f"{volumes.brain_voxels:,}", "100.00")
    return (*regions, brain)


def format_ml(volume_ml: float) -> str:
    """A volume for reading: two decimals below 10 mL, where they matter, else one."""
    return f"{volume_ml:.2f}" if volume_ml < _SMALL_ML else f"{volume_ml:.1f}"
