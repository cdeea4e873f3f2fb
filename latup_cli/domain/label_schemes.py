"""Tell from a data set's voxel values which label scheme its segmentations are in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from latup_cli.errors import AmbiguousLabelsError
from latup_cli.labels import SCHEMES, LabelScheme

_KNOWN = frozenset(value for scheme in SCHEMES.values() for value in scheme.values)
_NAMED_LIKE_2023 = re.compile(
    r"brats-?20(2[3-9]|[3-9]\d)|brats-[a-z]+-\d{4,5}-\d{1,3}", re.IGNORECASE
)
"""Such as BraTS-GLI-02062-100. BraTS 2017 to 2021 wrote BraTS20_Training_001."""
_NAMED_LIKE_MSD = re.compile(r"(?<![^\W_])BRATS_\d{3}(?!\d)")
"""Such as BRATS_001, of the Medical Segmentation Decathlon."""


def detect_scheme(values_per_file: Mapping[str, frozenset[int]]) -> LabelScheme:
    """Decide per data set, not per file, what a 3 and a 4 stand for.

    BraTS 2017 to 2021 wrote enhancing tumor as 4 and used no 3; since 2023 it is 3, and since
    2024 a 4 is the resection cavity. So 3 and 4 together are `brats2024`, 3 without any 4 is
    `brats2023`, and 4 without any 3 is `brats2021` where several files agree on it and none
    has a later name. Without 3 and 4 all of them mean the same.

    Args:
        values_per_file: Name of a file or case to the voxel values in it, 0 included or not.

    Raises:
        AmbiguousLabelsError: If a single file, or one with a name as of 2023 on, has a 4 and
            there is no 3; if there is any 3 in files named as in the Medical Segmentation
            Decathlon, whose 1 and 2 are exchanged; if a value is in no scheme.
    """
    for name, values in values_per_file.items():
        if values - _KNOWN:
            unknown = ", ".join(str(value) for value in sorted(values - _KNOWN))
            raise AmbiguousLabelsError(name, f"no label scheme has {unknown}")
    present = frozenset[int]().union(*values_per_file.values())
    if 4 not in present:  # noqa: PLR2004  (a voxel value)
        _refuse_decathlon(values_per_file)
        return SCHEMES["brats2023"]
    if 3 in present:  # noqa: PLR2004
        return SCHEMES["brats2024"]
    _refuse_undecided(name for name, values in values_per_file.items() if 4 in values)  # noqa: PLR2004
    if len(values_per_file) == 1:
        reason = "one file with 4 and without 3 may be BraTS 2017 to 2021 or BraTS 2024"
        raise AmbiguousLabelsError(next(iter(values_per_file)), reason)
    return SCHEMES["brats2021"]


def _refuse_undecided(names_with_4: Iterable[str]) -> None:
    for name in names_with_4:
        if _NAMED_LIKE_2023.search(name):
            reason = "its name is of BraTS 2023 or later, and it has a 4 but no file has a 3"
            raise AmbiguousLabelsError(name, reason)


def _refuse_decathlon(names: Iterable[str]) -> None:
    for name in names:
        if _NAMED_LIKE_MSD.search(name):
            reason = "its name is of the Medical Segmentation Decathlon, which exchanges 1 and 2"
            raise AmbiguousLabelsError(name, reason)
