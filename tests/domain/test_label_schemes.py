"""Which label scheme a data set is in."""

from __future__ import annotations

import pytest

from latup_cli.domain.label_schemes import detect_scheme
from latup_cli.errors import AmbiguousLabelsError, InputError

CLASSIC = frozenset({0, 1, 2, 4})
NO_ET = frozenset({0, 1, 2})
MODERN = frozenset({0, 1, 2, 3})
CAVITY = frozenset({0, 1, 2, 3, 4})


@pytest.mark.parametrize(
    ("files", "scheme"),
    [
        ({"BraTS2021_00000": CLASSIC, "BraTS2021_00002": CLASSIC}, "brats2021"),
        ({"BraTS20_Training_001": CLASSIC, "BraTS20_Training_002": NO_ET}, "brats2021"),
        ({"Brats18_2013_3_1": CLASSIC, "p2": CLASSIC}, "brats2021"),
        ({"p1": MODERN}, "brats2023"),
        ({"BraTS-GLI-00001-000": MODERN, "BraTS-GLI-00002-000": NO_ET}, "brats2023"),
        ({"p1": CAVITY}, "brats2024"),
        ({"BraTS-GLI-02062-100": CLASSIC, "BraTS-GLI-02063-100": CAVITY}, "brats2024"),
        ({"p1": CLASSIC, "p2": MODERN}, "brats2024"),
        ({"p1": NO_ET}, "brats2023"),
        ({"p1": frozenset({0})}, "brats2023"),
        ({"BraTS2021_00000": MODERN}, "brats2023"),
    ],
)
def test_values_tell_the_scheme(files: dict[str, frozenset[int]], scheme: str) -> None:
    """3 alone, 4 alone in several files, and 3 with 4 each mean one scheme for the whole set."""
    assert detect_scheme(files).name == scheme


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"p1": CLASSIC}, "one file"),
        ({"BraTS2021_00000": CLASSIC}, "one file"),
        ({"BraTS-GLI-02062-100": CLASSIC, "p2": NO_ET}, "BraTS-GLI-02062-100"),
        ({"BraTS-MET-00110-000-seg": CLASSIC, "p2": CLASSIC}, "2023 or later"),
        ({"BraTS2024_001": CLASSIC, "BraTS2024_002": CLASSIC}, "2023 or later"),
        ({"BRATS_001": MODERN, "BRATS_002": MODERN}, "Decathlon"),
        ({"p1": NO_ET, "p2": frozenset({0, 5, 7})}, "5, 7"),
        ({"p1": frozenset({0, 255})}, "255"),
    ],
)
def test_what_does_not_tell_is_refused(files: dict[str, frozenset[int]], said: str) -> None:
    """A 4 that may be a cavity, and values of no scheme, are refused with exit code 3."""
    with pytest.raises(AmbiguousLabelsError, match=said) as refused:
        detect_scheme(files)
    assert isinstance(refused.value, InputError)
    assert refused.value.exit_code == 3
    assert "--labels-in" in refused.value.hint
