"""Figures of one case and over cases."""

from __future__ import annotations

import numpy as np
import pytest

from latup_cli.config import LesionChallenge
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.score import METRICS, CaseScores, score_case
from latup_cli.evaluation.summary import Spread, summarize
from tests.evaluation.masks import box, label_map

SHAPE = (20, 18, 16)
GLI = RULES[LesionChallenge.GLI]


def case(name: str, found_et: int, true_et: int, spacing: float = 5.0) -> CaseScores:
    """ET of so many voxels of `spacing` mm in a row inside edema, as predicted and in truth."""
    maps = []
    for voxels in (found_et, true_et):
        data = 2 * box(SHAPE, (2, 2, 2), (14, 6, 6)).astype(np.uint8)
        data[3 : 3 + voxels, 4, 4] = 4
        maps.append(label_map(data, (spacing, spacing, spacing)))
    return score_case(name, maps[0], maps[1], GLI)


def test_regions_nest_and_volumes_are_in_ml() -> None:
    """WT counts every tissue, TC and ET only theirs; 5 mm voxels are 0.125 mL each."""
    scores = case("a", found_et=8, true_et=10)
    whole, core, enhancing = (scores.regions[name] for name in ("WT", "TC", "ET"))
    assert whole.reference_ml == pytest.approx(14 * 36 * 0.125)
    assert whole.counts.dice == 1.0
    assert core.counts == enhancing.counts
    assert enhancing.predicted_ml == pytest.approx(1.0)
    assert enhancing.volume_error_ml == pytest.approx(-0.25)
    assert enhancing.false_ml == 0.0
    assert enhancing.counts.dice == pytest.approx(16 / 18)
    assert enhancing.hd95_mm == pytest.approx(5.0 * (1 + 0.55))
    assert tuple(enhancing.metrics) == METRICS


def test_spread_by_hand() -> None:
    """Mean, median, sample standard deviation, quartiles and extremes of 1, 2, 3, 10."""
    spread = Spread.of([10.0, 1.0, 3.0, 2.0])
    assert (spread.mean, spread.median) == (4.0, 2.5)
    assert spread.sd == pytest.approx(np.sqrt((36 + 9 + 1 + 4) / 3))
    assert spread.quartiles == (1.75, 4.75)
    assert (spread.least, spread.most) == (1.0, 10.0)


def test_a_single_case_has_no_spread() -> None:
    """The standard deviation of one value does not exist; it is not 0."""
    assert Spread.of([0.5]).sd is None
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


def test_et_is_judged_where_there_is_enough() -> None:
    """ET figures are over references of at least 1 mL; made-up ET on the others is in mL."""
    cases = [case("a", 8, 10), case("b", 8, 8), case("c", 6, 0), case("d", 0, 7), case("e", 8, 7)]
    enhancing = summarize(cases).enhancing
    assert (enhancing.cases, enhancing.other_cases) == (2, 3)
    assert enhancing.metrics["dice"].mean == pytest.approx((16 / 18 + 1) / 2)
    assert enhancing.false_ml is not None
    assert enhancing.false_ml.mean == pytest.approx((0.75 + 0 + 0.125) / 3)
    assert enhancing.false_ml.most == pytest.approx(0.75)


def test_et_rule_with_one_kind_of_case_only() -> None:
    """Without references of too little ET nothing is made up; with only such, nothing is judged."""
    assert summarize([case("a", 8, 10)]).enhancing.false_ml is None
    without = summarize([case("c", 1, 0)]).enhancing
    assert without.cases == 0
    assert not without.metrics


def test_summary_over_all_cases_keeps_the_brats_rules() -> None:
    """A case without ET counts as 1 if none was found, as 0 and 373.13 mm if some was."""
    summary = summarize([case("a", 0, 0), case("b", 3, 0)])
    assert summary.regions["ET"]["dice"].mean == 0.5
    assert summary.regions["ET"]["hd95_mm"].mean == pytest.approx(373.13 / 2)
    assert summary.confusion.sum() == 2 * 20 * 18 * 16
    with pytest.raises(ValueError, match="no cases"):
        summarize([])
