"""The tables of a study's page: who is done, who failed and why, who is left."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from latup_cli.domain.cohort import Row

_QUALITY = "quality."
_THUMBNAILS = '<th scope="col">Preview <span class="unit">T1ce, FLAIR</span></th>'
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Detail:
    """How much the page shows of each patient.

    Attributes:
        thumbnails: Patient to a JPEG.
        with_quality: Whether quality numbers are listed.
    """

    thumbnails: Mapping[str, bytes]
    with_quality: bool


def results_table(done: Sequence[Row], regions: Mapping[str, str], detail: Detail) -> str:
    """Everybody who is done: thumbnail, name, volumes, seconds, warnings and quality.

    Args:
        done: Their rows.
        regions: Region to its name in words, in the order of the columns.
        detail: How much is shown.
    """
    if not done:
        return '<p class="quiet">Nobody is done yet.</p>'
    devices = len({row["device"] for row in done}) > 1
    headings = [
        *([_THUMBNAILS] if detail.thumbnails else []),
        _sortable("Patient"),
        *(_sortable(region, "mL", name) for region, name in regions.items()),
        _sortable("Brain", "mL"),
        _sortable("Time", "s"),
        *([_sortable("Device")] if devices else []),
        _sortable("Warnings and quality", counted=True),
    ]
    body = [_done_row(row, regions, detail, devices=devices) for row in done]
    return _table("results-table", "Patients who are done", headings, body)


def failures_table(failed: Sequence[Row]) -> str:
    """Everybody who failed: reason, what to do about it, error and exit code."""
    if not failed:
        return '<p class="quiet">Nobody failed.</p>'
    headings = [
        _sortable("Patient"),
        _sortable("Reason"),
        _sortable("What to do"),
        _sortable("Error"),
        _sortable("Exit code", "", numeric=True),
    ]
    body = [
        f'<tr><th scope="row">{_name(row["patient"])}</th><td>{_text(row["message"])}</td>'
        f"<td>{_text(row['hint'])}</td><td><code>{_text(row['error'])}</code></td>"
        f"{_number(row['exit_code'], 0)}</tr>"
        for row in failed
    ]
    return _table("failures-table", "Patients who failed", headings, body)


def waiting_list(waiting: Sequence[Row]) -> str:
    """Everybody who is left, by name; nothing if nobody is."""
    if not waiting:
        return ""
    names = "".join(f"<li>{_name(row['patient'])}</li>" for row in waiting)
    return (
        '<section id="waiting"><h2>Not done yet</h2><p class="quiet">Run the same command again: '
        f'it goes on with them.</p><ul class="names">{names}</ul></section>'
    )


def _done_row(row: Row, regions: Mapping[str, str], detail: Detail, *, devices: bool) -> str:
    patient = row["patient"]
    cells = [
        *([_thumbnail_cell(row, detail.thumbnails)] if detail.thumbnails else []),
        f'<th scope="row">{_name(patient)}{_links(row)}</th>',
        *(_number(row.get(f"{region}_ml"), 2) for region in regions),
        _number(row.get("brain_ml"), 1),
        _number(row.get("seconds"), 1),
        *([f"<td>{_text(row['device'])}</td>"] if devices else []),
        _findings(row, detail),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _thumbnail_cell(row: Row, thumbnails: Mapping[str, bytes]) -> str:
    picture = thumbnails.get(row["patient"])
    if picture is None:
        return '<td class="thumbnail"></td>'
    data = base64.b64encode(picture).decode("ascii")
    said = escape(f"Axial T1ce and FLAIR of {_shown(row['patient'])}: open the preview")
    return (
        f'<td class="thumbnail"><a href="{_link(row["preview"])}"><img alt="{said}" width="146" '
        f'height="72" src="data:image/jpeg;base64,{data}"></a></td>'
    )


def _links(row: Row) -> str:
    """Small links to a patient's files, relative to the page."""
    links = " ".join(
        f'<a href="{_link(row[kind])}">{kind}</a>' for kind in ("report", "preview") if kind in row
    )
    return f'<span class="links">{links}</span>' if links else ""


def _findings(row: Row, detail: Detail) -> str:
    warnings = row.get("warnings") or ()
    listed = "".join(f"<li>{_text(warning)}</li>" for warning in warnings)
    listed = f'<ul class="warnings">{listed}</ul>' if listed else ""
    numbers = {
        column.removeprefix(_QUALITY): value
        for column, value in row.items()
        if column.startswith(_QUALITY) and value is not None
    }
    if detail.with_quality and numbers:
        listed += _quality(numbers)
    return f'<td class="findings" data-value="{len(warnings)}">{listed}</td>'


def _quality(numbers: Mapping[str, float]) -> str:
    pairs = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{value:.4g}</dd></div>"
        for name, value in sorted(numbers.items())
    )
    return f"<details><summary>{len(numbers)} quality numbers</summary><dl>{pairs}</dl></details>"


def _table(name: str, caption: str, headings: Iterable[str], body: Iterable[str]) -> str:
    head = "".join(headings)
    rows = "\n".join(body)
    return (
        f'<table class="sortable" id="{name}"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    )


def _sortable(
    label: str,
    unit: str | None = None,
    meaning: str = "",
    *,
    numeric: bool = False,
    counted: bool = False,
) -> str:
    """A heading with a button that the page's script listens to.

    Args:
        label: What the column holds.
        unit: Of its numbers; None if it holds text.
        meaning: The label in more words.
        numeric: Whether it holds numbers without a unit.
        counted: Whether its cells hold lists, which are sorted by their lengths.
    """
    numbers = unit is not None or numeric
    kind = "number" if numbers or counted else "text"
    style = ' class="number"' if numbers else ""
    title = f' title="{escape(meaning)}"' if meaning else ""
    said = f'{escape(label)} <span class="unit">{escape(unit)}</span>' if unit else escape(label)
    return (
        f'<th scope="col"{style} data-kind="{kind}" aria-sort="none">'
        f'<button type="button"{title}>{said}</button></th>'
    )


def _number(value: float | None, decimals: int) -> str:
    """A right-aligned cell that sorts by the number itself."""
    if value is None:
        return '<td class="number"></td>'
    return f'<td class="number" data-value="{value!r}">{value:.{decimals}f}</td>'


def _name(name: str) -> str:
    """A name that does not turn its surroundings around, whatever its script's direction."""
    return f"<bdi>{_text(name)}</bdi>"


def _text(value: object) -> str:
    return escape(_shown(value))


def _shown(value: object) -> str:
    """A text without characters that are none in HTML."""
    return str(value).translate(_CONTROL)


def _link(path: str) -> str:
    """A file's address relative to the page; never taken for a scheme such as `javascript:`."""
    return escape(f"./{quote(os.fsencode(path))}")
