"""Three pictures of an evaluation: Dice, volumes, and the confusion of tissues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from latup_cli.evaluation.chart import (
    FAINT,
    INK,
    PAPER,
    TITLE,
    Color,
    Frame,
    Picture,
    draw_axis_x,
    draw_axis_y,
    neat_ticks,
)
from latup_cli.evaluation.confusion import CLASSES, Confusion, row_shares
from latup_cli.evaluation.score import CaseScores
from latup_cli.evaluation.summary import ENOUGH_ET, Evaluation, Spread, has_enough_et
from latup_cli.imaging.png import write_png
from latup_cli.labels import REGIONS

DICE_FILE = "dice.png"
VOLUME_FILE = "volumes.png"
CONFUSION_FILE = "confusion.png"
PICTURES = (DICE_FILE, VOLUME_FILE, CONFUSION_FILE)
"""Everything that `write_plots` writes."""

COLORS: Mapping[str, Color] = MappingProxyType(
    {"WT": (0, 114, 178), "TC": (0, 158, 115), "ET": (213, 94, 0)}
)
"""Blue, green and vermilion of Okabe and Ito, told apart by readers with color blindness."""

_BOX: Color = (238, 241, 245)
_DEEP: Color = (8, 69, 148)
_LEFT, _TOP = 78, 56
_SPREAD = 0.28  # half the width of a column that dots are scattered over
_DARK = 0.6  # share above which a cell's background swallows dark text


def write_plots(folder: Path, evaluation: Evaluation) -> None:
    """Write `dice.png`, `volumes.png` and `confusion.png`.

    Raises:
        OutputError: If they cannot be written.
    """
    write_png(folder / DICE_FILE, draw_dice(evaluation.cases))
    write_png(folder / VOLUME_FILE, draw_volumes(evaluation.cases))
    write_png(folder / CONFUSION_FILE, draw_confusion(evaluation.summary.confusion))


def draw_dice(cases: Sequence[CaseScores]) -> npt.NDArray[np.uint8]:
    """Dice by region: a dot per case over a box of the quartiles with the median.

    Where some references have less than 1 mL of ET, ET stands there without them too.

    Returns:
        (rows, columns, 3) red, green, blue.
    """
    shown = [(name, name, _dice(cases, name)) for name in REGIONS]
    enough = [case for case in cases if has_enough_et(case.regions["ET"])]
    if 0 < len(enough) < len(cases):
        shown.append((ENOUGH_ET, "ET", _dice(enough, "ET")))
    picture = Picture(640, 540)
    frame = Frame(_LEFT, _TOP, 530, 380, x=(0.0, float(len(shown))), y=(0.0, 1.0))
    picture.text((_LEFT, 26), f"Dice by region, {_counted(len(cases))}", "lm", TITLE)
    draw_axis_y(picture, frame, neat_ticks(0.0, 1.0))
    picture.turned_text((24, frame.top + frame.height / 2), "Dice")
    for column, (name, region, values) in enumerate(shown):
        _draw_column(picture, frame, column + 0.5, values, COLORS[region])
        _draw_caption(picture, frame, column + 0.5, name, Spread.of(values))
    return picture.pixels


def draw_volumes(cases: Sequence[CaseScores]) -> npt.NDArray[np.uint8]:
    """Predicted against reference volume, in mL; a perfect prediction lies on the diagonal.

    Returns:
        (rows, columns, 3) red, green, blue.
    """
    scores = [(region, case.regions[region]) for case in cases for region in REGIONS]
    most = max(max(score.reference_ml, score.predicted_ml) for _, score in scores)
    edge = 1.05 * most if most > 0 else 1.0
    picture = Picture(640, 620)
    frame = Frame(_LEFT, _TOP, 480, 480, x=(0.0, edge), y=(0.0, edge))
    picture.text((_LEFT, 26), f"Volumes in mL, {_counted(len(cases))}", "lm", TITLE)
    draw_axis_x(picture, frame, neat_ticks(0.0, edge))
    draw_axis_y(picture, frame, neat_ticks(0.0, edge))
    picture.line([frame.place(0.0, 0.0), frame.place(edge, edge)], INK)
    picture.text((frame.left + frame.width / 2, frame.top + frame.height + 44), "reference")
    picture.turned_text((20, frame.top + frame.height / 2), "prediction")
    for region, score in scores:
        picture.dot(frame.place(score.reference_ml, score.predicted_ml), COLORS[region])
    for row, (region, color) in enumerate(COLORS.items()):
        y = frame.top + 12 + 26 * row
        picture.dot((frame.left + frame.width + 24, y), color, 6.0)
        picture.text((frame.left + frame.width + 38, y), region, "lm")
    return picture.pixels


def draw_confusion(confusion: Confusion) -> npt.NDArray[np.uint8]:
    """Voxels of each reference tissue by predicted label; the shade is the share of the row.

    Returns:
        (rows, columns, 3) red, green, blue.
    """
    shares = row_shares(confusion)
    count = len(CLASSES)
    picture = Picture(720, 520)
    frame = Frame(150, 92, 540, 400, x=(0.0, float(count)), y=(float(count), 0.0))
    picture.text((28, 26), "Voxels by tissue, and their share of the reference", "lm", TITLE)
    picture.text((frame.left + frame.width / 2, 56), "prediction")
    picture.turned_text((28, frame.top + frame.height / 2), "reference")
    for i, name in enumerate(CLASSES):
        across, _ = frame.place(i + 0.5, 0.0)
        _, down = frame.place(0.0, i + 0.5)
        picture.text((across, frame.top - 14), name)
        picture.text((frame.left - 12, down), name, "rm")
        for j in range(count):
            _draw_cell(picture, frame, (i, j), int(confusion[i, j]), float(shares[i, j]))
    return picture.pixels


def _dice(cases: Sequence[CaseScores], region: str) -> list[float]:
    return [case.regions[region].counts.dice for case in cases]


def _draw_column(
    picture: Picture, frame: Frame, center: float, values: Sequence[float], color: Color
) -> None:
    """The box from quartile to quartile, whiskers to the extremes, the median, and the dots."""
    spread = Spread.of(values)
    low, high = spread.quartiles
    left, top = frame.place(center - _SPREAD, high)
    right, bottom = frame.place(center + _SPREAD, low)
    for near, far in ((low, spread.least), (high, spread.most)):
        picture.line([frame.place(center, near), frame.place(center, far)], INK)
    picture.box((left, top, right, bottom), _BOX, INK)
    middle = frame.place(center, spread.median)[1]
    picture.line([(left, middle), (right, middle)], INK, 2.5)
    for value, offset in zip(values, _scattered(len(values)), strict=True):
        picture.dot(frame.place(center + offset * _SPREAD * 0.8, value), color)


def _draw_caption(picture: Picture, frame: Frame, center: float, name: str, spread: Spread) -> None:
    x, y = frame.place(center, 0.0)
    picture.text((x, y + 22), name, size=TITLE)
    picture.text((x, y + 46), f"mean {spread.mean:.3f}")
    picture.text((x, y + 66), f"median {spread.median:.3f}")


def _scattered(count: int) -> npt.NDArray[np.float64]:
    """Places from -1 to 1, evenly filled in any order of arrival: multiples of the golden ratio."""
    golden = (5.0**0.5 - 1.0) / 2.0
    places: npt.NDArray[np.float64] = 2.0 * ((0.5 + golden * np.arange(count)) % 1.0) - 1.0
    return places


def _draw_cell(
    picture: Picture, frame: Frame, cell: tuple[int, int], count: int, share: float
) -> None:
    row, column = cell
    left, top = frame.place(column, row)
    right, bottom = frame.place(column + 1, row + 1)
    picture.box((left, top, right, bottom), _mixed(share), FAINT)
    x, y = (left + right) / 2, (top + bottom) / 2
    color = PAPER if share > _DARK else INK
    picture.text((x, y - 12), f"{share:.1%}", size=TITLE, color=color)
    picture.text((x, y + 16), f"{count:,}", color=color)


def _mixed(share: float) -> Color:
    """Between white and a deep blue."""
    red, green, blue = (round(p + share * (d - p)) for p, d in zip(PAPER, _DEEP, strict=True))
    return red, green, blue


def _counted(cases: int) -> str:
    return "1 case" if cases == 1 else f"{cases} cases"
