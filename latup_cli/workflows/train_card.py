"""What `model.json` and the card of a trained model say about it."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import torch

from latup_cli.domain.model import ModelSpec
from latup_cli.evaluation.score import CaseScores
from latup_cli.evaluation.summary import summarize
from latup_cli.evaluation.tables import HEADINGS, case_rows, enhancing_text, summary_rows
from latup_cli.training.card import CardFacts
from latup_cli.training.checkpoint import RunState
from latup_cli.training.settings import TrainSettings

_SECONDS_PER_HOUR = 3600.0


def measured_means(cases: Sequence[CaseScores]) -> dict[str, object]:
    """What `model.json` says: mean Dice, ET over the cases with enough of it, and false ET."""
    summary = summarize(cases)
    enhancing = summary.enhancing
    mean = {region: round(summary.regions[region]["dice"].mean, 4) for region in ("WT", "TC")}
    if enhancing.metrics:
        mean["ET"] = round(enhancing.metrics["dice"].mean, 4)
    false = enhancing.false_ml
    return {
        "dice": mean,
        "cases": summary.cases,
        "cases_with_1_ml_of_ET": enhancing.cases,
        "false_ET_ml_on_others": None if false is None else round(false.mean, 4),
        "on": "the studies that weights were chosen by",
    }


def card_facts(
    settings: TrainSettings,
    state: RunState,
    trained_on: Sequence[str],
    scored: Sequence[CaseScores],
    spec: ModelSpec,
) -> CardFacts:
    """Put together what the card of a run's best weights says."""
    summary = summarize(scored)
    columns = tuple(HEADINGS.values())
    return CardFacts(
        settings=settings,
        parameters=spec.parameters,
        sha256=spec.sha256,
        trained_on=trained_on,
        validated_on=[case.name for case in scored],
        steps=state.step,
        hours=state.seconds / _SECONDS_PER_HOUR,
        machine=f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads",
        means=(("region", "", *columns), summary_rows(summary)),
        cases=(("case", "region", *columns), case_rows(scored)),
        remark=enhancing_text(summary.enhancing),
    )
