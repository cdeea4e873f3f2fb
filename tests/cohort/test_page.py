"""The page of a study: complete, self-contained, and safe whatever patients are called."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.cohort.page import DETAILED_UP_TO, PageFacts, page, write_page
from latup_cli.cohort.page_charts import DOTS_UP_TO, Strip, axis_for, in_words, volume_chart
from latup_cli.cohort.results import rows
from latup_cli.config import PreparationSettings, SegmentSettings
from latup_cli.domain.cohort import DONE, FAILED, PENDING, Record
from latup_cli.domain.model import N4_ZSCORE, ZSCORE
from latup_cli.domain.report import NOTICE
from latup_cli.errors import OutputError, StudyNotFoundError, UnreadableImageError
from latup_cli.reporting.thumbnail import thumbnail
from latup_cli.training.export import model_spec
from latup_cli.training.settings import TrainSettings
from latup_cli.workflows.batch_page import write_study_page
from tests.fixtures.finished import AWKWARD, done, failed, finished_study, report_of, write_previews

FACTS = PageFacts(
    created=datetime(2026, 11, 23, 18, 30, tzinfo=UTC),
    version="9.8.7",
    regions={"WT": "whole tumor", "TC": "tumor core", "ET": "enhancing tumor"},
    colors={"WT": (0, 210, 255), "TC": (205, 75, 255), "ET": (255, 130, 0)},
    thumbnail=thumbnail,
    settings={"Label scheme": "brats2021"},
    passed_over=3,
)
_VOID = {"meta", "input", "img"}


@dataclass(eq=False)
class Seen(HTMLParser):
    """A page taken apart: its tags, its texts by tag, and whether every tag is closed."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See that the innermost tag is the one that closes."""
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text and where it stands."""
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def of(self, *tags: str) -> list[str]:
        """Every text right inside these tags."""
        return [text for tag, text in self.texts if tag in tags]

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def seen(html: str) -> Seen:
    """Take a page apart; every tag has to be closed in order."""
    parser = Seen()
    parser.feed(html)
    parser.close()
    assert parser.stack == []
    return parser


def written(records: Iterable[Record], facts: PageFacts = FACTS) -> str:
    """The page without thumbnails."""
    return page(rows(records), facts, {})


def one(name: str) -> Record:
    """Somebody who is done."""
    return done(name, report_of(40.0, 20.0, 10.0))


# --- what it says -------------------------------------------------------------------------


def test_everybody_is_on_the_page() -> None:
    """Names, volumes, reasons, hints, exit codes and warnings of all patients can be read."""
    records = finished_study(20)
    texts = "".join(text for _, text in seen(written(records)).texts)
    for record in records:
        assert record.name in texts
        for warning in record.row.get("warnings", ()):
            assert warning in texts
        if record.state == DONE:
            assert all(f"{record.row[f'{region}_ml']:.2f}" in texts for region in FACTS.regions)
        if record.failure:
            failure = record.failure
            assert failure.message in texts
            assert failure.hint in texts
            assert failure.error in texts


def test_the_head_says_what_was_run() -> None:
    """Counts, model with its hash, device, versions, settings, time and the notice are there."""
    records = finished_study(20)
    parsed = seen(written(records))
    texts = " ".join(text for _, text in parsed.texts)
    warned = sum(bool(record.row.get("warnings")) for record in records)
    assert parsed.of("b")[:5] == ["20", "2", "1", str(warned), "3"]
    for fact in ("latup-net 1.0", "ab" * 32, "cpu, openvino 2026.4.1", "latup 9.8.7",
                 "brats2021", "2026-11-23 18:30 UTC", NOTICE):  # fmt: skip
        assert fact in texts


def test_several_models_and_devices_are_told_with_their_counts() -> None:
    """Where patients differ in device, everybody's device is a column."""
    records = [one("a"), one("b"), one("c")]
    records[2] = replace(records[2], row={**records[2].row, "device": "cuda:0"})
    html = written(records)
    texts = seen(html).of("dd")
    assert "cpu, openvino 2026.4.1 (2 patients); cuda:0, openvino 2026.4.1 (1 patient)" in texts
    assert "Device" in seen(html).of("button")
    assert "Device" not in seen(written(records[:2])).of("button")


def test_quality_numbers_are_those_of_the_report() -> None:
    """Every number that was measured can be unfolded under its check and subject."""
    parsed = seen(written([one("a")]))
    assert "2 quality numbers" in parsed.of("summary")
    pairs = dict(zip(parsed.of("dt"), parsed.of("dd"), strict=True))
    assert pairs["brain volume"] == "1412"
    assert pairs["mutual information, flair"] == "0.4375"


def test_nobody_done_is_a_page_too() -> None:
    """A study in which all failed, or none was begun, has a page without plots."""
    unfound = failed("a", StudyNotFoundError(Path("a")))
    html = written([unfound, Record("b", PENDING)])
    assert "<svg" not in html
    assert "No patient is done yet." in html
    seen(html)


def test_columns_of_numbers_name_their_units() -> None:
    """Volumes are in mL and times in s, in the heading and never in the cell."""
    parsed = seen(written([one("a")]))
    headings = parsed.of("button", "span")
    for column, unit in (("WT ", "mL"), ("ET ", "mL"), ("Brain ", "mL"), ("Time ", "s")):
        assert headings[headings.index(column) + 1] == unit
    numbers = [a for tag, a in parsed.tags if tag == "td" and a.get("class") == "number"]
    assert [float(a["data-value"] or "") for a in numbers[:3]] == [40.0, 20.0, 10.0]


def test_every_sortable_heading_says_its_order() -> None:
    """A heading with a button has aria-sort, and is a column's heading."""
    parsed = seen(written(finished_study(3)))
    headings = [attrs for tag, attrs in parsed.tags if "aria-sort" in attrs]
    assert headings
    assert all(attrs["scope"] == "col" and attrs["aria-sort"] == "none" for attrs in headings)
    assert len(headings) == sum(tag == "button" for tag, _ in parsed.tags)


# --- safe and self-contained --------------------------------------------------------------


@given(name=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_a_name_is_never_markup(name: str) -> None:
    """Whatever a patient is called, the tags are the same and the name reads as it is."""
    plain = seen(written([one("A"), failed("B", UnreadableImageError(Path("B"), "cut"))]))
    named = seen(written([one(name), failed(name, UnreadableImageError(Path(name), name))]))
    assert [tag for tag, _ in named.tags] == [tag for tag, _ in plain.tags]
    assert named.of("bdi").count(name) == 2
    path = f"{name}/{name}_report.json"
    assert f"./{path}" in [unquote(link) for link in named.attributes("href")]


def test_links_stay_beside_the_page() -> None:
    """No link has a scheme, so that a patient called javascript:alert(1) is a folder."""
    links = seen(written([one(name) for name in AWKWARD])).attributes("href")
    assert links
    assert all(link.startswith(("./", "#")) for link in links)


def test_nothing_is_fetched() -> None:
    """Every source is inside the page; no style, script or handler is given by an attribute."""
    parsed = seen(page(rows([done("a", report_of(9, 8, 7), preview=True)]), FACTS, {"a": b"jpeg"}))
    assert parsed.attributes("src") == ["data:image/jpeg;base64,anBlZw=="]
    names = {name for _, attrs in parsed.tags for name in attrs}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert not {tag for tag, _ in parsed.tags} & {"link", "iframe", "object", "base", "form"}
    assert "url(" not in "".join(parsed.of("style"))


def test_the_policy_names_this_style_and_this_script() -> None:
    """The content security policy allows exactly what the page holds, by hash."""
    parsed = seen(written([one("a")]))
    policies = [a["content"] for _, a in parsed.tags if a.get("http-equiv")]
    assert len(policies) == 1
    policy = dict(part.split(" ", 1) for part in (policies[0] or "").split("; "))
    assert policy["default-src"] == "'none'"
    for tag in ("style", "script"):
        text = "".join(parsed.of(tag))
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"


def test_no_path_is_told(tmp_path: Path) -> None:
    """Neither the output's folder nor that of the weights is on the page."""
    output, weights = tmp_path / "Doe^Jane", tmp_path / "home-of-jdoe"
    output.mkdir()
    settings = SegmentSettings(weights=weights, preparation=PreparationSettings(n4=True))
    path = write_study_page(output, finished_study(3), settings, model_spec(TrainSettings()))
    html = path.read_text(encoding="utf-8")
    assert "Doe^Jane" not in html
    assert "jdoe" not in html
    assert "weights of the user&#x27;s own" in html


@pytest.mark.parametrize(
    ("normalization", "asked", "told"),
    [(ZSCORE, False, "no"), (ZSCORE, True, "yes"), (N4_ZSCORE, False, "yes")],
)
def test_the_bias_field_is_told_as_it_was_handled(
    tmp_path: Path, normalization: str, asked: bool, told: str
) -> None:
    """A model that removes it does so without being asked."""
    settings = SegmentSettings(preparation=PreparationSettings(n4=asked))
    spec = replace(model_spec(TrainSettings()), normalization=normalization)
    html = write_study_page(tmp_path, finished_study(1), settings, spec).read_text(encoding="utf-8")
    assert re.search(r"Bias field removed\s*(?:<[^>]+>\s*)+(\w+)", html).group(1) == told


# --- the file -----------------------------------------------------------------------------


def test_thumbnails_are_of_previews_that_are_there(tmp_path: Path) -> None:
    """A preview that was deleted or damaged costs its thumbnail, and not the page."""
    records = finished_study(9, preview=True)
    write_previews(tmp_path, records)
    plain = [record for record in records if record.name.startswith("BraTS")]
    (tmp_path / plain[0].row["preview"]).unlink()
    (tmp_path / plain[1].row["preview"]).write_bytes(b"no picture")
    parsed = seen(write_page(tmp_path, records, FACTS).read_text(encoding="utf-8"))
    assert len(parsed.attributes("src")) == 7
    assert all(base64.b64decode(src.partition(",")[2]).startswith(b"\xff\xd8")
               for src in parsed.attributes("src"))  # fmt: skip


def test_a_page_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    """Only a change of the results writes the page again."""
    records = finished_study(3)
    path = write_page(tmp_path, records, FACTS)
    before = path.read_bytes(), path.stat().st_ino
    later = replace(FACTS, created=datetime(2027, 1, 1, tzinfo=UTC))
    write_page(tmp_path, records, later)
    assert (path.read_bytes(), path.stat().st_ino) == before
    write_page(tmp_path, records[:-1], later)
    assert "2027-01-01" in path.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Where the output is no folder, the run says so with the exit code for outputs."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_page(tmp_path / "file", finished_study(2), FACTS)


def test_a_time_without_a_zone_is_refused() -> None:
    """When a page was made can be told everywhere."""
    with pytest.raises(ValueError, match="time zone"):
        replace(FACTS, created=datetime(2026, 1, 1))  # noqa: DTZ001


def test_thousands_of_patients_leave_out_details(tmp_path: Path) -> None:
    """Above a number that the page names there are no thumbnails and no quality numbers."""

    def unwanted(_: Path) -> bytes:
        raise AssertionError("a thumbnail was made")

    records = finished_study(DETAILED_UP_TO, preview=True)
    facts = replace(FACTS, thumbnail=unwanted)
    html = write_page(tmp_path, records, facts).read_text(encoding="utf-8")
    assert f"more than {DETAILED_UP_TO} patients" in html
    assert "quality numbers</summary>" not in html
    links = seen(html).attributes("href")
    assert sum(link.endswith("_preview.png") for link in links) == DETAILED_UP_TO


# --- the plots ----------------------------------------------------------------------------

ML = st.floats(0.0, 2000.0)


def circles(html: str) -> list[tuple[float, float]]:
    """Where the dots are."""
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([^"]+)" cy="([^"]+)"', html)]


@given(volumes=st.lists(ML, min_size=1, max_size=60))
def test_dots_keep_the_order_of_volumes(volumes: list[float]) -> None:
    """Every patient has a dot, larger volumes lie farther right, and none leaves its strip."""
    names = [f"p{number}" for number in range(len(volumes))]
    chart = volume_chart([Strip("WT", "whole tumor", volumes, names)])
    dots = dict(zip(re.findall(r"<title>(p\d+):", chart), circles(chart), strict=True))
    assert set(dots) == set(names)
    across = [dots[name][0] for _, name in sorted(zip(volumes, names, strict=True))]
    assert across == sorted(across)
    assert 216.0 <= across[0] <= across[-1] <= 876.0
    assert all(10.0 <= y <= 70.0 for _, y in dots.values())


@given(largest=ML)
def test_an_axis_reaches_the_largest_volume(largest: float) -> None:
    """The axis begins at 0, ends beyond everybody, and its ticks are apart and in order."""
    axis = axis_for(largest)
    assert axis.top >= largest * (1 - 1e-9)
    assert axis.ticks[0] == 0.0
    places = [axis.place(tick) for tick in axis.ticks]
    assert all(b - a >= 44.0 for a, b in pairwise(places))
    assert places[-1] <= 876.0


def test_the_axis_is_one_of_square_roots() -> None:
    """A quarter of the largest volume lies in the middle, and so the label says."""
    axis = axis_for(200.0)
    assert math.isclose(axis.place(50.0) - axis.place(0.0), axis.place(200.0) - axis.place(50.0))
    assert "square-root scale" in volume_chart([Strip("ET", "enhancing tumor", [0.0], ["a"])])


def test_a_chart_says_in_words_what_it_shows() -> None:
    """Who cannot see it hears median, quartiles and range of each region."""
    strip = Strip("TC", "tumor core", [1.0, 2.0, 3.0, 4.0, 50.0], list("abcde"))
    assert in_words(strip) == "median 3.0 mL, quartiles 2.0 to 4.0 mL, from 1.0 to 50.0 mL"
    parsed = seen(volume_chart([strip]))
    assert parsed.of("desc") == [f"tumor core (TC): {in_words(strip)}."]
    assert parsed.tags[0][1]["role"] == "img"


def test_many_patients_are_a_histogram() -> None:
    """Bars count everybody, and no dot is drawn."""
    count = DOTS_UP_TO + 1
    volumes = [0.37 * number for number in range(count)]
    chart = volume_chart([Strip("WT", "whole tumor", volumes, [""] * count)])
    assert circles(chart) == []
    assert sum(map(int, re.findall(r"<title>(\d+) patients?</title>", chart))) == count


def test_failed_patients_are_no_dots() -> None:
    """Only who is done has a volume."""
    records = finished_study(7)
    assert sum(record.state == FAILED for record in records) == 2
    assert len(circles(written(records))) == 3 * 7
