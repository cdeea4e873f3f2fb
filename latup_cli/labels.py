"""The names and numbers of the field: modalities, tissues, regions and label schemes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from latup_cli.errors import UnknownLabelSchemeError

MODALITIES = ("t1", "t1ce", "t2", "flair")
"""The four MR modalities by their BraTS names; T1ce is T1 after gadolinium."""


class Tissue(IntEnum):
    """A class of the network; the number is its output channel (0 is background)."""

    NCR = 1
    """Necrotic and non-enhancing tumor core."""
    ED = 2
    """Peritumoral edema, or infiltrated tissue."""
    ET = 3
    """Enhancing tumor."""


REGIONS: Mapping[str, frozenset[Tissue]] = MappingProxyType(
    {
        "WT": frozenset({Tissue.NCR, Tissue.ED, Tissue.ET}),
        "TC": frozenset({Tissue.NCR, Tissue.ET}),
        "ET": frozenset({Tissue.ET}),
    }
)
"""The nested BraTS regions, outermost first: whole tumor, tumor core, enhancing tumor."""


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """Which number stands for which tissue in a segmentation file.

    Attributes:
        name: As typed on the command line.
        numbers: Tissue to voxel value.
        names: Voxel value to a name that people read, for headers and legends.
        ignored: Values that are known in the scheme and are no tumor tissue for LATUP-Net.
    """

    name: str
    numbers: Mapping[Tissue, int]
    names: Mapping[int, str]
    ignored: frozenset[int] = frozenset()

    @property
    def values(self) -> frozenset[int]:
        """Every voxel value that may stand in a file of this scheme."""
        return frozenset({0, *self.numbers.values()}) | self.ignored


def _scheme(name: str, ncr: int, ed: int, et: int, cavity: int | None = None) -> LabelScheme:
    names = {ncr: "necrotic and non-enhancing tumor core", ed: "edema", et: "enhancing tumor"}
    if cavity is not None:
        names[cavity] = "resection cavity"
    return LabelScheme(
        name,
        MappingProxyType({Tissue.NCR: ncr, Tissue.ED: ed, Tissue.ET: et}),
        MappingProxyType(dict(sorted(names.items()))),
        frozenset() if cavity is None else frozenset({cavity}),
    )


SCHEMES: Mapping[str, LabelScheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            _scheme("brats2021", ncr=1, ed=2, et=4),
            _scheme("brats2023", ncr=1, ed=2, et=3),
            _scheme("brats2024", ncr=1, ed=2, et=3, cavity=4),
            _scheme("msd", ed=1, ncr=2, et=3),
        )
    }
)
"""Every label scheme by name. BraTS 2017 to 2021 share the numbers of `brats2021`."""


def label_scheme(name: str) -> LabelScheme:
    """Look up a scheme.

    Raises:
        UnknownLabelSchemeError: If there is none of that name.
    """
    if name not in SCHEMES:
        raise UnknownLabelSchemeError(name, tuple(SCHEMES))
    return SCHEMES[name]
