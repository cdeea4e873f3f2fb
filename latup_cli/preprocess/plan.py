"""Decide what a study needs before the network can see it; a pure function of what came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from latup_cli.config import PreparationSettings, SkullStrip
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.study import REFERENCE, Study
from latup_cli.errors import MixedSkullError, SkullPresentError


class BrainFrom(StrEnum):
    """What tells the brain from the rest."""

    NONZERO = "non-zero voxels"
    GIVEN = "the given mask"
    NETWORK = "the shipped skull-strip networks"
    HD_BET = "HD-BET"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done, in this order.

    Attributes:
        register: Modalities that are moved onto the T1ce.
        common_grid: Whether the images are brought to a common 1 mm grid.
        brain: What tells the brain from the rest.
        brain_in: Modalities that `brain` looks at.
        n4: Whether the bias field is removed before the model's own normalization.
        reasons: One sentence each, for people.
    """

    register: tuple[str, ...]
    common_grid: bool
    brain: BrainFrom
    brain_in: tuple[str, ...]
    n4: bool
    reasons: tuple[str, ...]


def plan_preparation(study: Study, settings: PreparationSettings, spec: ModelSpec) -> Plan:
    """What to do with a study that came like this, for this model, and is to be handled like that.

    Raises:
        SkullPresentError: If there is a skull and nobody may remove it.
        MixedSkullError: If a stripped image would have to be registered to a whole head.
    """
    moved = _to_register(study, settings)
    brain, brain_in, why = _brain(study, settings)
    together = "one grid" if study.on_one_grid else "different grids"
    motion = (
        f"{', '.join(moved)} are registered to the {REFERENCE}" if moved else "nothing is moved"
    )
    return Plan(
        register=moved,
        common_grid=bool(moved) or not study.on_one_grid,
        brain=brain,
        brain_in=brain_in,
        n4=settings.n4 and not spec.removes_bias,
        reasons=(f"The images lie on {together}: {motion}.", why, *_about_n4(settings, spec)),
    )


def _about_n4(settings: PreparationSettings, spec: ModelSpec) -> tuple[str, ...]:
    if settings.n4 and spec.removes_bias:
        return (f"--n4 adds nothing: {spec.name} removes the bias field in its normalization.",)
    return ()


def _to_register(study: Study, settings: PreparationSettings) -> tuple[str, ...]:
    wanted = settings.register
    if not (not study.on_one_grid if wanted is None else wanted):
        return ()
    stripped = tuple(modality for modality in study.images if modality not in study.skull)
    if study.skull and stripped:
        heads, brains = (
            tuple(study.shown_as(modality) for modality in some) for some in (study.skull, stripped)
        )
        raise MixedSkullError(heads, brains)
    return tuple(modality for modality in study.images if modality != REFERENCE)


def _brain(study: Study, settings: PreparationSettings) -> tuple[BrainFrom, tuple[str, ...], str]:
    everything = tuple(study.images)
    stripped = tuple(modality for modality in everything if modality not in study.skull)
    if settings.brain_mask is not None:
        return BrainFrom.GIVEN, (), "The brain mask was given."
    if not study.skull:
        return BrainFrom.NONZERO, everything, "The images are skull-stripped."
    if stripped and study.on_one_grid:
        names = ", ".join(stripped)
        return BrainFrom.NONZERO, stripped, f"{names} are skull-stripped and show the brain."
    modality, sign = next(iter(study.skull.items()))
    if settings.skull_strip is SkullStrip.NONE:
        raise SkullPresentError(study.shown_as(modality), sign)
    why = f"The {modality} has its skull: {sign}."
    if settings.skull_strip is SkullStrip.HD_BET:
        return BrainFrom.HD_BET, (REFERENCE,), why
    return BrainFrom.NETWORK, (REFERENCE, "t1"), why
