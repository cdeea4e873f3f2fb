"""Tell patients of the same name apart, the same way in every run."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeAlias

from latup_cli.domain.cohort import Patient
from latup_cli.domain.privacy import short_hash

Outward: TypeAlias = Callable[[str, Iterable[str]], str]
"""Makes a name one that outputs may carry on every system, without some private words."""

_MOST_PARENTS = 2


def told_apart(patients: Sequence[Patient], outward: Outward) -> tuple[Patient, ...]:
    """Give every patient a name of its own: with its parent folder, or a hash of its place.

    All that share a name are renamed, so that the names do not depend on the order in which
    they were found. Names that differ in letter case only are one on some systems.

    Args:
        patients: In any order.
        outward: What a name with its parent folders becomes in outputs.
    """
    names = [patient.name for patient in patients]
    for depth in range(1, _MOST_PARENTS + 1):
        for index in _shared(names):
            longer = _with_parents(patients[index], depth)
            names[index] = outward(longer, patients[index].private) if longer else names[index]
    for index in _shared(names):
        names[index] = f"{patients[index].name}-{short_hash(patients[index].place)}"
    for count, index in enumerate(_shared(names), start=1):  # rows of a table that are the same
        names[index] = f"{names[index]}-{count}"
    return tuple(_renamed(patient, name) for patient, name in zip(patients, names, strict=True))


def _shared(names: Sequence[str]) -> list[int]:
    """Where the names stand that are not alone."""
    groups = defaultdict(list)
    for index, name in enumerate(names):
        groups[unicodedata.normalize("NFC", name.casefold())].append(index)
    return [index for group in groups.values() if len(group) > 1 for index in group]


def _with_parents(patient: Patient, depth: int) -> str:
    """The name after those of so many folders above it; "" if there are not as many."""
    folders = PurePosixPath(patient.place).parent.parts
    return "_".join([*folders[-depth:], patient.name]) if len(folders) >= depth else ""


def _renamed(patient: Patient, name: str) -> Patient:
    files = None if patient.files is None else replace(patient.files, name=name)
    return replace(patient, name=name, files=files)
