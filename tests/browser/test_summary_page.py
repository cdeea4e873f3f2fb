"""The summary page in a real browser: it is whole, it sorts by keyboard, and nothing is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latup_cli.config import SegmentSettings
from latup_cli.domain.cohort import DONE, FAILED
from latup_cli.training.export import model_spec
from latup_cli.training.settings import TrainSettings
from latup_cli.workflows.batch_page import write_study_page
from tests.browser.chromium import Tab, browser, chromium
from tests.fixtures.finished import AWKWARD, finished_study, write_previews

PROGRAM = browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium is installed: apt-get install chromium"
)

RECORDS = finished_study(24, preview=True)
SPEC = model_spec(TrainSettings())
WIDTHS = ((1920, 1080), (1366, 768), (1280, 720))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser."""
    if PROGRAM is None:
        pytest.skip("no Chromium is installed")
    with chromium(PROGRAM, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study of 24 who are done, 2 who failed, and one who is left."""
    output = tmp_path_factory.mktemp("run") / "results & more #1"
    output.mkdir()
    write_previews(output, RECORDS)
    return write_study_page(output, RECORDS, SegmentSettings(preview=True), SPEC)


@pytest.fixture
def page(tab: Tab, written: Path) -> Tab:
    """The page, just loaded at a laptop's size."""
    tab.resize(1366, 768)
    tab.ask("Emulation.setEmulatedMedia", media="", features=[])
    tab.open(written)
    return tab


def column(page: Tab, number: int, table: str = "results-table") -> list[str]:
    """The texts of a column from top to bottom, of rows that are shown."""
    found: list[str] = page.value(
        f"Array.from(document.getElementById('{table}').tBodies[0].rows)"
        f".filter((row) => row.offsetParent).map((row) => row.cells[{number}].innerText.trim())"
    )
    return found


def index_of(page: Tab, heading: str) -> int:
    """Where a column stands, by what its heading begins with."""
    headings: list[str] = page.value(
        "Array.from(document.querySelectorAll('#results-table thead th'), (th) => th.innerText)"
    )
    return next(n for n, text in enumerate(headings) if text.strip().startswith(heading))


def focus(page: Tab, heading: str) -> None:
    """Put the keyboard's focus on the button before a column's, and tab to it."""
    number = index_of(page, heading)
    page.value(
        "document.querySelectorAll('#results-table thead th')"
        f"[{number - 1}].querySelector('button').focus()"
    )
    page.press("Tab")


def sorting(page: Tab) -> dict[str, str]:
    """What each column says about its order to those who cannot see it."""
    found: dict[str, str] = page.value(
        "Object.fromEntries(Array.from("
        "document.querySelectorAll('#results-table thead th[aria-sort]'),"
        "(th) => [th.innerText.trim().split(/\\s/)[0], th.getAttribute('aria-sort')]))"
    )
    return found


def volumes(region: str) -> list[float]:
    """The volumes of everybody who is done."""
    return [record.row[f"{region}_ml"] for record in RECORDS if record.state == DONE]


def test_the_page_loads_without_a_complaint(page: Tab) -> None:
    """No error, no breach of the policy, and nothing but the file itself is asked for."""
    assert page.told("Log.entryAdded") == []
    assert page.told("Runtime.exceptionThrown") == []
    asked = [event["request"]["url"] for event in page.told("Network.requestWillBeSent")]
    assert asked
    assert {address.partition(":")[0] for address in asked} <= {"file", "data"}
    assert sum(address.startswith("file:") for address in asked) == 1


def test_the_policy_is_in_force(page: Tab) -> None:
    """A script or a picture that somebody smuggles in is refused by the browser."""
    page.value("document.body.append(Object.assign(document.createElement('script'),"
               "{textContent: 'document.title = 1'}))")  # fmt: skip
    page.value("document.body.append(Object.assign(document.createElement('img'),"
               "{src: 'http://127.0.0.1:9/x.png'}))")  # fmt: skip
    assert page.value("document.title") == "Tumor volumes of a study - latup"
    complaints = [entry["entry"]["text"] for entry in page.told("Log.entryAdded")]
    assert sum("Content Security Policy" in text for text in complaints) == 2


def test_names_are_shown_and_never_run(page: Tab) -> None:
    """A name with tags, quotes or other letters is read as it is, and is no markup."""
    shown = [text.splitlines()[0] for text in column(page, index_of(page, "Patient"))]
    assert sorted(shown) == sorted(record.name for record in RECORDS if record.state == DONE)
    assert set(AWKWARD) <= set(shown)
    assert page.value("document.scripts.length") == 1
    assert page.value("document.title") == "Tumor volumes of a study - latup"


def test_every_thumbnail_is_a_picture_that_leads_to_its_preview(page: Tab) -> None:
    """Thumbnails are decoded, and their links open the files of their patients."""
    sizes = page.value("Promise.all(Array.from(document.images, (i) => i.decode())) && "
                       "Array.from(document.images, (i) => i.naturalWidth)")  # fmt: skip
    assert len(sizes) == 24
    links = page.value("Array.from(document.querySelectorAll('.thumbnail a'), (a) => a.href)")
    here = page.value("location.href").rpartition("/")[0]
    assert len(set(links)) == 24
    assert all(link.startswith(f"{here}/") for link in links)
    for link in (links[0], links[5]):
        page.ask("Page.navigate", url=link)
        assert page.value("document.contentType") == "image/png"


def test_the_keyboard_sorts(page: Tab) -> None:
    """Enter on a heading sorts by the number itself, Space turns it around; both are said."""
    number = index_of(page, "WT")
    focus(page, "WT")
    page.press("Enter", "\r")
    assert column(page, number) == [f"{volume:.2f}" for volume in sorted(volumes("WT"))]
    assert sorting(page)["WT"] == "ascending"
    assert (
        page.value("document.getElementById('said').textContent") == "Sorted by WT mL, ascending."
    )
    page.press(" ", " ")
    expected = sorted(volumes("WT"), reverse=True)
    assert column(page, number) == [f"{volume:.2f}" for volume in expected]
    assert sorting(page) == {**dict.fromkeys(sorting(page), "none"), "WT": "descending"}


def test_the_mouse_sorts_names_and_warnings(page: Tab) -> None:
    """Names sort as people count, and warnings by how many there are."""
    click = (
        "document.querySelectorAll('#results-table thead th')[{}].querySelector('button').click()"
    )
    page.value(click.format(index_of(page, "Patient")))
    names = [text.splitlines()[0] for text in column(page, index_of(page, "Patient"))]
    numbered = [name for name in names if name.startswith("BraTS")]
    assert numbered == sorted(numbered)
    for _ in range(2):
        page.value(click.format(index_of(page, "Warnings")))
    warnings = page.value(
        "Array.from(document.querySelectorAll('#results-table tbody tr'),"
        "(row) => row.querySelectorAll('.warnings li').length)"
    )
    assert warnings == sorted(warnings, reverse=True)
    assert warnings[0] == 2


def test_words_find_patients(page: Tab) -> None:
    """Typing hides everybody who lacks the words, in names as in warnings."""
    page.value("document.getElementById('find').focus()")
    page.ask("Input.insertText", text="00003-")
    assert [text.splitlines()[0] for text in column(page, 1)] == ["BraTS-GLI-00003-000"]
    page.value("document.getElementById('find').select()")
    page.ask("Input.insertText", text="7.5 MM")
    expected = [record for record in RECORDS if record.row.get("warnings")]
    assert len(column(page, 1)) == len(expected)


def test_failures_have_reason_hint_and_code(page: Tab) -> None:
    """Everybody who failed is listed with what was wrong, what to do, and the exit code."""
    failures = {record.name: record.failure for record in RECORDS if record.state == FAILED}
    assert column(page, 0, "failures-table") == sorted(failures)
    for number, name in enumerate(sorted(failures)):
        failure = failures[name]
        assert failure is not None
        assert column(page, 1, "failures-table")[number] == failure.message
        assert column(page, 2, "failures-table")[number] == failure.hint
        assert column(page, 4, "failures-table")[number] == str(failure.exit_code)


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_it_fits_the_screen(page: Tab, width: int, height: int) -> None:
    """Nothing is cut off at the right; volumes and counts are in sight without scrolling."""
    page.resize(width, height)
    sizes = page.value(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.documentElement)"
    )
    assert sizes[0] == sizes[1] <= width
    assert page.value(
        "Array.from(document.querySelectorAll('table'))"
        ".every((t) => t.offsetWidth <= t.parentElement.clientWidth - 40)"
    )
    bottom = page.value("document.querySelector('.chart').getBoundingClientRect().bottom")
    assert bottom < height
    assert page.value(
        "Array.from(document.querySelectorAll('.chart text'), (t) => t.getBoundingClientRect())"
        ".every((box) => box.height > 11)"
    )


def test_light_and_dark_follow_the_system(page: Tab) -> None:
    """The page is light, dark where the system is, and prints on white."""
    brightness = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.ask("Emulation.setEmulatedMedia", media="", features=features)
        brightness[scheme] = _brightness(page.screenshot())
    assert brightness["light"] > 220
    assert brightness["dark"] < 60
    page.ask("Emulation.setEmulatedMedia", media="print", features=features)
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_it_prints(page: Tab) -> None:
    """On paper the settings are unfolded, buttons are gone, and the browser makes a PDF of it."""
    settings = "document.querySelector('details.settings').open"
    page.value("dispatchEvent(new Event('beforeprint'))")
    assert page.value(settings)
    page.value("dispatchEvent(new Event('afterprint'))")
    assert not page.value(settings)
    page.ask("Emulation.setEmulatedMedia", media="print", features=[])
    assert page.value("document.querySelector('.find').offsetParent === null")
    paper: dict[str, Any] = page.ask("Page.printToPDF", preferCSSPageSize=True)
    assert paper["data"].startswith("JVBERi0")  # %PDF-


def test_five_thousand_patients_load_and_sort(tab: Tab, tmp_path: Path) -> None:
    """A study of a cluster's size still is a page that works."""
    path = write_study_page(tmp_path, finished_study(5000), SegmentSettings(), SPEC)
    tab.open(path)
    assert tab.told("Log.entryAdded") == []
    focus(tab, "TC")
    tab.press("Enter", "\r")
    shown = [float(text) for text in column(tab, index_of(tab, "TC"))]
    assert len(shown) == 5000
    assert shown == sorted(shown)


def _brightness(screenshot: bytes) -> float:
    """The mean of a picture's pixels, 0 to 255."""
    with Image.open(io.BytesIO(screenshot)) as picture:
        return float(np.asarray(picture.convert("L")).mean())
