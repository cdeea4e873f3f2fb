"""Draw the distribution of volumes in a study as SVG: one strip a region, on one axis."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

DOTS_UP_TO = 400
"""With more patients, a histogram takes the place of a dot for each."""

FEWEST_FOR_BOX = 5
"""With fewer patients, quartiles say nothing."""

_WIDTH = 900
_LEFT, _RIGHT = 216, 876  # ends of the axis
_ROW = 104
_TOP = 10
_ROOM = 60.0  # for the dots of a row
_AXIS_ROOM = 52
_RADIUS = 4.5
_BAR = 12.0
_BOX = 10
_TICK_APART = 44.0
_NEAT = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0)
_SHORTEST_ML = 1.0
_TICK_NEAT = (5.0, 2.0, 1.0)
_TICK_POWERS = range(6, -4, -1)


@dataclass(frozen=True, slots=True)
class Strip:
    """The volumes of one region.

    Attributes:
        region: "WT", "TC" or "ET".
        name: The region in words.
        volumes_ml: Volume in mL of each patient.
        patients: Their names, in the same order.
    """

    region: str
    name: str
    volumes_ml: Sequence[float]
    patients: Sequence[str]


@dataclass(frozen=True, slots=True)
class RootAxis:
    """From 0 to `top` mL, by square roots: small tumors stay apart, and none has its place.

    Attributes:
        top: Volume in mL at the right end.
    """

    top: float

    def place(self, volume_ml: float) -> float:
        """Where a volume lies, in units of the picture from its left."""
        return _LEFT + (_RIGHT - _LEFT) * math.sqrt(max(0.0, volume_ml) / self.top)

    @property
    def ticks(self) -> tuple[float, ...]:
        """0 and round volumes, as many as have room."""
        chosen: list[float] = []
        last, first = math.inf, self.place(0.0)
        for volume in (neat * 10.0**power for power in _TICK_POWERS for neat in _TICK_NEAT):
            place = self.place(volume)
            if volume <= self.top and last - place >= _TICK_APART <= place - first:
                chosen.append(volume)
                last = place
        return (0.0, *reversed(chosen))


def axis_for(largest_ml: float) -> RootAxis:
    """An axis that ends at a round volume, not below the largest, and at 1 mL at least."""
    largest_ml = max(largest_ml, _SHORTEST_ML)
    power = 10.0 ** math.floor(math.log10(largest_ml))
    return RootAxis(next(n * power for n in _NEAT if n * power >= largest_ml * (1 - 1e-9)))


def volume_chart(strips: Sequence[Strip]) -> str:
    """An SVG of the strips below each other.

    Args:
        strips: Each with one volume at least.

    Returns:
        An `svg` element with a title and a description; its colors are those of the classes
        `wt`, `tc` and `et` in the page's style.
    """
    axis = axis_for(max(max(strip.volumes_ml) for strip in strips))
    height = _TOP + _ROW * len(strips) + _AXIS_ROOM
    rows = "".join(_strip(strip, axis, _TOP + number * _ROW) for number, strip in enumerate(strips))
    said = " ".join(f"{strip.name} ({strip.region}): {in_words(strip)}." for strip in strips)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-labelledby="chart-title chart-desc">'
        '<title id="chart-title">Tumor volumes in this study</title>'
        f'<desc id="chart-desc">{escape(said)}</desc>'
        f"{_axis(axis, _TOP + _ROW * len(strips))}{rows}</svg>"
    )


def in_words(strip: Strip) -> str:
    """Median, quartiles and range of a strip's volumes."""
    volumes = strip.volumes_ml
    text = f"median {_ml(statistics.median(volumes))} mL"
    if len(volumes) >= FEWEST_FOR_BOX:
        low, _, high = _quartiles(volumes)
        text += f", quartiles {_ml(low)} to {_ml(high)} mL"
    return f"{text}, from {_ml(min(volumes))} to {_ml(max(volumes))} mL"


def _strip(strip: Strip, axis: RootAxis, top: float) -> str:
    places = [axis.place(volume) for volume in strip.volumes_ml]
    middle = top + _ROOM / 2
    marks = (
        _dots(strip, places, middle) if len(places) <= DOTS_UP_TO else _bars(places, top + _ROOM)
    )
    box = _box(strip.volumes_ml, axis, top + _ROOM + 12)
    return f'<g class="{escape(strip.region.lower())}">{_label(strip, top)}{marks}{box}</g>'


def _label(strip: Strip, top: float) -> str:
    volumes = strip.volumes_ml
    lines = [f"median {_ml(statistics.median(volumes))} mL"]
    if len(volumes) >= FEWEST_FOR_BOX:
        low, _, high = _quartiles(volumes)
        lines.append(f"quartiles {_ml(low)} \N{EN DASH} {_ml(high)}")
    name = strip.name[:1].upper() + strip.name[1:]
    heading = f"{name} ({strip.region})"
    small = "".join(
        f'<text class="small" x="0" y="{top + 46 + 18 * number:g}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return f'<text class="name" x="0" y="{top + 25:g}">{escape(heading)}</text>{small}'


def _dots(strip: Strip, places: Sequence[float], middle: float) -> str:
    """A dot for each patient at its volume, neighbors stacked around the middle line."""
    columns: dict[int, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        columns[math.floor(place / (2 * _RADIUS))].append(index)
    highest = max(map(len, columns.values()))
    step = min(2 * _RADIUS, (_ROOM - 2 * _RADIUS) / max(1, highest - 1))
    dots = []
    for column in columns.values():
        for number, index in enumerate(column):
            away = (number + 1) // 2 * (-1 if number % 2 else 1)
            said = escape(f"{strip.patients[index]}: {_ml(strip.volumes_ml[index])} mL")
            x, y = f"{places[index]:.1f}", f"{middle + away * step:.1f}"
            dots.append(f'<circle cx="{x}" cy="{y}" r="{_RADIUS:g}"><title>{said}</title></circle>')
    return "".join(dots)


def _bars(places: Sequence[float], bottom: float) -> str:
    """A histogram whose bins are equally wide on the axis."""
    counts: dict[int, int] = defaultdict(int)
    for place in places:
        counts[min(math.floor((place - _LEFT) / _BAR), math.floor((_RIGHT - _LEFT) / _BAR))] += 1
    highest = max(counts.values())
    bars = []
    for number, count in sorted(counts.items()):
        tall = _ROOM * count / highest
        x, width = _LEFT + number * _BAR, _BAR - 1
        patients = "1 patient" if count == 1 else f"{count} patients"
        bars.append(
            f'<rect x="{x:g}" y="{bottom - tall:.1f}" width="{width:g}" height="{tall:.1f}">'
            f"<title>{patients}</title></rect>"
        )
    return "".join(bars)


def _box(volumes: Sequence[float], axis: RootAxis, middle: float) -> str:
    """Quartiles as a box, the median as a line in it, the range as whiskers."""
    if len(volumes) < FEWEST_FOR_BOX:
        return ""
    values = (min(volumes), *_quartiles(volumes), max(volumes))
    least, low, median, high, most = map(axis.place, values)
    top, bottom = middle - _BOX / 2, middle + _BOX / 2
    return (
        f'<path class="whisker" d="M{least:.1f} {middle:g}H{low:.1f}M{high:.1f} {middle:g}'
        f"H{most:.1f}M{least:.1f} {top + 2:g}V{bottom - 2:g}M{most:.1f} {top + 2:g}"
        f'V{bottom - 2:g}"/>'
        f'<rect class="box" x="{low:.1f}" y="{top:g}" width="{high - low:.1f}" height="{_BOX}"/>'
        f'<path class="median" d="M{median:.1f} {top - 2:g}V{bottom + 2:g}"/>'
    )


def _axis(axis: RootAxis, bottom: float) -> str:
    lines = "".join(f"M{axis.place(tick):.1f} {_TOP}V{bottom:g}" for tick in axis.ticks)
    numbers = "".join(
        f'<text class="tick" x="{axis.place(tick):.1f}" y="{bottom + 18:g}">{tick:g}</text>'
        for tick in axis.ticks
    )
    middle = (_LEFT + _RIGHT) / 2
    return (
        f'<path class="grid" d="{lines}"/>{numbers}'
        f'<text class="tick" x="{middle:g}" y="{bottom + 42:g}">'
        "volume in mL (square-root scale)</text>"
    )


def _quartiles(volumes: Sequence[float]) -> tuple[float, float, float]:
    low, median, high = statistics.quantiles(volumes, n=4, method="inclusive")
    return low, median, high


def _ml(volume: float) -> str:
    return f"{volume:.1f}"
