"""What a study needs follows from how it came and what was asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latup_cli.config import PreparationSettings, SkullStrip
from latup_cli.domain.grid import Grid
from latup_cli.domain.model import N4_ZSCORE, ZSCORE
from latup_cli.domain.study import FoundFile, SpatialCodes, Study, StudyFiles
from latup_cli.domain.volume import Volume
from latup_cli.errors import MixedSkullError, SkullPresentError
from latup_cli.labels import MODALITIES
from latup_cli.preprocess.plan import BrainFrom, Plan, plan_preparation
from latup_cli.training.export import model_spec
from latup_cli.training.settings import TrainSettings

SHAPE = (5, 6, 7)
ALL = frozenset(MODALITIES)
OTHERS = ("t1", "t2", "flair")


def came(*, together: bool, heads: Collection[str] = ()) -> Study:
    """A study on one grid or not, some of it with skull."""
    images = {}
    for number, modality in enumerate(MODALITIES):
        affine = np.eye(4)
        affine[0, 3] = 0.0 if together else 3.0 * number
        images[modality] = Volume(np.zeros(SHAPE, dtype=np.float32), Grid(SHAPE, affine))
    files = StudyFiles("s", {m: FoundFile(Path(m), "given") for m in MODALITIES})
    skull = {modality: "a scalp" for modality in MODALITIES if modality in heads}
    return Study(files, images, SpatialCodes(1, 1), skull=skull)


def planned(study: Study, normalization: str = ZSCORE, **asked: object) -> Plan:
    """The plan under some settings, for a model that normalizes so."""
    spec = replace(model_spec(TrainSettings()), normalization=normalization)
    return plan_preparation(study, PreparationSettings(**asked), spec)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("study", "asked", "register", "common_grid", "brain"),
    [
        (came(together=True), {}, (), False, BrainFrom.NONZERO),
        (came(together=True), {"register": True}, OTHERS, True, BrainFrom.NONZERO),
        (came(together=True, heads=ALL), {}, (), False, BrainFrom.NETWORK),
        (came(together=False, heads=ALL), {}, OTHERS, True, BrainFrom.NETWORK),
        (came(together=False, heads=ALL), {"register": False}, (), True, BrainFrom.NETWORK),
        (came(together=False), {}, OTHERS, True, BrainFrom.NONZERO),
        (
            came(together=False, heads=ALL),
            {"skull_strip": SkullStrip.HD_BET},
            OTHERS,
            True,
            BrainFrom.HD_BET,
        ),
        (
            came(together=True, heads=ALL),
            {"brain_mask": Path("m"), "skull_strip": SkullStrip.NONE},
            (),
            False,
            BrainFrom.GIVEN,
        ),
        (came(together=True, heads={"t2"}), {}, (), False, BrainFrom.NONZERO),
        (came(together=True), {"skull_strip": SkullStrip.HD_BET}, (), False, BrainFrom.NONZERO),
    ],
    ids=[
        "as BraTS",
        "as BraTS, to be registered",
        "heads on one grid",
        "raw",
        "raw, to stay where the headers say",
        "brains apart",
        "raw, with HD-BET",
        "a mask wins over everything",
        "one head among brains",
        "nothing to strip",
    ],
)
def test_the_plan_follows_from_what_came(
    study: Study,
    asked: dict[str, object],
    register: tuple[str, ...],
    common_grid: bool,
    brain: BrainFrom,
) -> None:
    """Different grids are registered, skulls are removed, and what was asked for wins."""
    plan = planned(study, **asked)
    assert plan.register == register
    assert plan.common_grid is common_grid
    assert plan.brain is brain
    assert all(plan.reasons)


def test_brains_among_heads_show_the_brain() -> None:
    """On one grid, the modalities that are stripped tell where the brain of the others is."""
    assert planned(came(together=True, heads={"t1", "t2"})).brain_in == ("t1ce", "flair")


@pytest.mark.parametrize("asked", [{}, {"register": True}])
def test_a_brain_is_never_registered_to_a_head(asked: dict[str, object]) -> None:
    """Stripped and unstripped images on different grids are refused, both named."""
    with pytest.raises(MixedSkullError, match=r"Skull-stripped \(t1ce, t2, flair\).*heads \(t1\)"):
        planned(came(together=False, heads={"t1"}), **asked)


def test_nobody_may_remove_the_skull() -> None:
    """`--skull-strip none` refuses a study with a skull, with the sign of it."""
    with pytest.raises(SkullPresentError, match="a scalp"):
        planned(came(together=True, heads=ALL), skull_strip=SkullStrip.NONE)


@pytest.mark.parametrize("normalization", [ZSCORE, N4_ZSCORE])
@pytest.mark.parametrize("asked", [False, True])
def test_the_bias_field_is_removed_once(normalization: str, asked: bool) -> None:
    """`--n4` is done for models that do not do it themselves, and else said to add nothing."""
    plan = planned(came(together=True), normalization, n4=asked)
    by_model = normalization == N4_ZSCORE
    assert plan.n4 is (asked and not by_model)
    assert any("--n4" in reason for reason in plan.reasons) is (asked and by_model)
