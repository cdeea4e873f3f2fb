"""The page of a study, for a browser: one file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
import hashlib
import platform
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TypeAlias

from latup_cli.cohort.page_charts import DOTS_UP_TO, FEWEST_FOR_BOX, Strip, volume_chart
from latup_cli.cohort.page_tables import Detail, failures_table, results_table, waiting_list
from latup_cli.cohort.results import rows
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Record, Row
from latup_cli.domain.report import NOTICE
from latup_cli.errors import LatupError
from latup_cli.imaging.atomic import write_text

SUMMARY_HTML = "summary.html"

DETAILED_UP_TO = 300
"""With more patients, thumbnails and quality numbers stay out of the page."""

_CHARTED = ("WT", "TC", "ET")
_FILES = "summary_template"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_HEAD_BYTES = 2048

Color: TypeAlias = tuple[int, int, int]
Thumbnail: TypeAlias = Callable[[Path], bytes]
"""From a preview to a small JPEG of it; raises `LatupError` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the page says beyond the rows.

    Attributes:
        created: When, with a time zone.
        version: Of the program that writes the page.
        settings: What was asked for, in words; no paths, for those may name people.
        regions: Region to its name in words, in the order of the columns.
        colors: Region to the color of its marks.
        thumbnail: Makes a thumbnail.
        passed_over: Folders of the study that hold no patient.

    Raises:
        ValueError: If `created` names no time zone.
    """

    created: datetime
    version: str
    regions: Mapping[str, str]
    colors: Mapping[str, Color]
    thumbnail: Thumbnail
    settings: Mapping[str, str] = field(default_factory=dict)
    passed_over: int = 0

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise ValueError("the time of a page needs a time zone")


def write_page(output: Path, records: Iterable[Record], facts: PageFacts) -> Path:
    """Write `summary.html`, renamed into its place; one that says the same already is left.

    Args:
        output: Folder of all results.
        records: The last word of the ledger about everybody.
        facts: What the page says beyond them.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    table = rows(records)
    path = output / SUMMARY_HTML
    identity = _identity(table, facts)
    if not _says(path, identity):
        detailed = len(table) <= DETAILED_UP_TO
        thumbnails = _thumbnails(output, table, facts.thumbnail) if detailed else {}
        write_text(path, page(table, facts, thumbnails, identity))
    return path


def page(
    table: Sequence[Row], facts: PageFacts, thumbnails: Mapping[str, bytes], identity: str = ""
) -> str:
    """The page as HTML.

    Args:
        table: As `rows` gives it.
        facts: What it says beyond that.
        thumbnails: Patient to a JPEG.
        identity: What tells this page from one that says something else.
    """
    done, failed, waiting = (_of_state(table, state) for state in (DONE, FAILED, PENDING))
    style, script = _style(facts.colors), _file("js")
    detail = Detail(thumbnails, with_quality=len(table) <= DETAILED_UP_TO)
    return Template(_file("html")).substitute(
        policy=_policy(style, script),
        identity=identity,
        style=style,
        script=script,
        notice=escape(NOTICE),
        counts=_counts(table, facts.passed_over),
        facts=_definitions(_run_facts(done, facts)),
        settings=_definitions(facts.settings),
        chart=_chart(done, facts.regions),
        failures=failures_table(failed),
        results=results_table(done, facts.regions, detail),
        remarks=_remarks(table, done, detail),
        waiting=waiting_list(waiting),
    )


def _identity(table: Sequence[Row], facts: PageFacts) -> str:
    """A hash of everything that the page says, but for the time and the thumbnails."""
    undated = page(table, replace(facts, created=_LONG_AGO), {})
    return hashlib.sha256(undated.encode("utf-8", "surrogatepass")).hexdigest()


def _says(path: Path, identity: str) -> bool:
    """Whether there is a page of this identity."""
    with suppress(OSError), path.open("rb") as file:
        return identity.encode("ascii") in file.read(_HEAD_BYTES)
    return False


def _of_state(table: Iterable[Row], state: str) -> list[Row]:
    return [row for row in table if row["state"] == state]


def _thumbnails(output: Path, table: Iterable[Row], thumbnail: Thumbnail) -> dict[str, bytes]:
    """Of everybody whose preview is there; the page is not worth failing a run."""
    found: dict[str, bytes] = {}
    for row in table:
        if "preview" in row:
            with suppress(LatupError):
                found[row["patient"]] = thumbnail(output / row["preview"])
    return found


def _file(suffix: str) -> str:
    found = resources.files("latup_cli.cohort") / f"{_FILES}.{suffix}"
    return found.read_text(encoding="utf-8")


def _style(colors: Mapping[str, Color]) -> str:
    variables = "".join(
        f"--{region.lower()}:rgb({red} {green} {blue});"
        for region, (red, green, blue) in colors.items()
    )
    return f":root{{{variables}}}\n{_file('css')}"


def _policy(style: str, script: str) -> str:
    """Allow this style, this script and the pictures inside the page, and nothing else."""
    return (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _counts(table: Sequence[Row], passed_over: int) -> str:
    states = Counter(row["state"] for row in table)
    warned = sum(bool(row.get("warnings")) for row in table)
    tiles = [
        ("done", states[DONE], "#results", "done"),
        ("failed", states[FAILED], "#failures", "failed"),
        ("waiting", states[PENDING], "#waiting", "not done yet"),
        ("warned", warned, "#results", "done with warnings"),
    ]
    if passed_over:
        tiles.append(("passed", passed_over, "", "folders without a patient"))
    return "".join(_tile(*tile) for tile in tiles)


def _tile(kind: str, count: int, target: str, label: str) -> str:
    inside = f"<b>{count:,}</b> <span>{label}</span>"
    if target and count:
        inside = f'<a href="{target}">{inside}</a>'
    return f'<li class="{kind}{"" if count else " none"}">{inside}</li>'


def _run_facts(done: Sequence[Row], facts: PageFacts) -> dict[str, str]:
    seconds = [row["seconds"] for row in done]
    return {
        "Model": _each(f"{row['model']} {row['model_version']}" for row in done),
        "Model SHA-256": _each(row["model_sha256"] for row in done),
        "Device": _each(f"{row['device']}, {row['engine']}" for row in done),
        "Time for a patient": f"median {statistics.median(seconds):.1f} s" if seconds else "",
        "Software": f"latup {facts.version}, Python {platform.python_version()}",
        "Created": f"{facts.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }


def _each(values: Iterable[str]) -> str:
    """Every value once; with how many have it if they differ."""
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({_patients(count)})" for value, count in counts.most_common())


def _patients(count: int) -> str:
    return "1 patient" if count == 1 else f"{count:,} patients"


def _definitions(facts: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
        if value
    )


def _chart(done: Sequence[Row], regions: Mapping[str, str]) -> str:
    if not done:
        return '<p class="quiet">No patient is done yet.</p>'
    patients = [row["patient"] for row in done]
    strips = [
        Strip(region, regions[region], [row[f"{region}_ml"] for row in done], patients)
        for region in _CHARTED
    ]
    return f'{volume_chart(strips)}<p class="quiet">{_legend(len(done))}</p>'


def _legend(count: int) -> str:
    marks = "A dot is a patient" if count <= DOTS_UP_TO else "Bars count patients"
    if count < FEWEST_FOR_BOX:
        return f"{marks}."
    return (
        f"{marks}; the box holds the middle half of the {count:,} who are done, the line in it "
        "is the median, the whiskers reach to the smallest and the largest."
    )


def _remarks(table: Sequence[Row], done: Sequence[Row], detail: Detail) -> str:
    remarks = []
    if not detail.with_quality:
        remarks.append(
            f"With more than {DETAILED_UP_TO} patients, this page has neither thumbnails nor "
            "quality numbers: the patients' links lead to the previews, and summary.csv holds "
            "the numbers."
        )
    elif done and not detail.thumbnails and not any("preview" in row for row in done):
        remarks.append("There are no thumbnails, for the study was run without --preview.")
    remarks.append(f"Found in the study: {_patients(len(table))}.")
    return "".join(f"<p>{escape(remark)}</p>" for remark in remarks)
