"""Divide patients, never scans of one patient, into training and validation."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from latup_cli.errors import NothingToTrainOnError

_SESSION = re.compile(r"_ses-[^_]+$", re.IGNORECASE)
_TIME_POINT = re.compile(r"^(BraTS-[A-Z]+-\d+)-\d+$", re.IGNORECASE)


def patient_of(study: str) -> str:
    """The patient whom a study's name belongs to.

    Names of BraTS 2023 on end in a time point, those of BIDS may name a session.
    """
    brats = _TIME_POINT.match(study)
    return brats[1] if brats else _SESSION.sub("", study)


def fold(studies: Sequence[str], *, folds: int, index: int, seed: int) -> tuple[bool, ...]:
    """Which studies are held out in one fold of a cross-validation.

    Over all indices, every study is held out exactly once.

    Args:
        studies: Names of studies; their order does not matter to who is held out.
        folds: Number of folds.
        index: Which one, from 0.
        seed: Fixes the division.

    Raises:
        NothingToTrainOnError: If there are fewer patients than folds.
    """
    patients = sorted({patient_of(study) for study in studies})
    if not 0 <= index < folds or folds > len(patients):
        problem = f"{len(patients)} patients have no fold {index} of {folds}."
        raise NothingToTrainOnError(problem)
    order = np.random.default_rng(seed).permutation(len(patients))
    held_out = {patients[position] for position in order[index::folds]}
    return tuple(patient_of(study) in held_out for study in studies)


def held_out_share(studies: Sequence[str], *, share: float, seed: int) -> tuple[bool, ...]:
    """Hold out a share of the patients, at least one.

    Raises:
        NothingToTrainOnError: If nobody would be left to train on.
    """
    patients = sorted({patient_of(study) for study in studies})
    count = max(1, round(share * len(patients)))
    if count >= len(patients):
        raise NothingToTrainOnError(f"{len(patients)} patients leave nobody to train on.")
    order = np.random.default_rng(seed).permutation(len(patients))
    held_out = {patients[position] for position in order[:count]}
    return tuple(patient_of(study) in held_out for study in studies)
