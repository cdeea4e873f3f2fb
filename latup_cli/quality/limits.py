"""Every limit of the quality checks, with the measured values behind it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from latup_cli.domain.finding import Check, Direction, Limit, Range

_NAMES = "Look at the four images and give each its file: --t1, --t1ce, --t2, --flair."

SEEN = Check(
    name="brain seen by all images",
    unit="mL",
    limit=Limit(bad=Direction.BELOW, warn_at=150.0),
    hint="Too little of the brain is in all four images to tell whether their names are right.",
)
PAIRS = Check(
    name="channels: pairs alike",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.12, refuse_at=-0.12),
    hint=_NAMES,
)
T1_LIKE = Check(
    name="channels: T1-like against T2-like",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.06, refuse_at=-0.06),
    hint=_NAMES,
)
T2_FLAIR = Check(
    name="channels: CSF in T2 against FLAIR",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.15, refuse_at=-0.15),
    hint=_NAMES,
)
T1_T1CE = Check(
    name="channels: T1ce brightened against T1",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.4, refuse_at=-0.4),
    hint=_NAMES,
)

_REGISTER = (
    "Look at the preview; register the images by hand, or give the right file of the patient."
)
_MASK = "Look at the brain mask in the preview, or give a better one with --brain-mask FILE."
_SCAN = "The network has seen finer scans; look at the result with care."


def _below(name: str, warn_at: float, refuse_at: float) -> Check:
    limit = Limit(bad=Direction.BELOW, warn_at=warn_at, refuse_at=refuse_at)
    return Check(name=name, unit="", limit=limit, hint=_REGISTER)


MUTUAL_INFORMATION: Mapping[str, Check] = MappingProxyType(
    {
        "t1": _below("mutual information", 0.06, 0.03),
        "t1ce": _below("mutual information", 0.06, 0.03),
        "t2": _below("mutual information", 0.03, 0.015),
        "flair": _below("mutual information", 0.03, 0.015),
    }
)
EDGES: Mapping[str, Check] = MappingProxyType(
    {
        "t1": _below("agreement of edges", 0.60, 0.45),
        "t1ce": _below("agreement of edges", 0.60, 0.45),
        "t2": _below("agreement of edges", 0.45, 0.38),
        "flair": _below("agreement of edges", 0.52, 0.42),
    }
)
OVERLAP = Check(
    name="overlap of heads",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.9, refuse_at=0.75),
    hint=_REGISTER,
)
RESIDUAL = Check(
    name="residual shift",
    unit="mm",
    limit=Limit(bad=Direction.ABOVE, warn_at=2.0, refuse_at=4.0),
    hint=_REGISTER,
)
SHIFT = Check(
    name="shift",
    unit="mm",
    limit=Limit(bad=Direction.ABOVE, warn_at=60.0),
    hint="The images were scanned far apart; make sure that they are of one examination.",
)
TURN = Check(
    name="turn",
    unit="degrees",
    limit=Limit(bad=Direction.ABOVE, warn_at=30.0),
    hint="The images were scanned far apart; make sure that they are of one examination.",
)
WON = Check(
    name="mutual information won",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=-0.005),
    hint="Registration made it worse: look at the preview, or use --no-register.",
)
VOLUME = Check(
    name="brain volume",
    unit="mL",
    limit=Range(
        low=Limit(bad=Direction.BELOW, warn_at=700.0, refuse_at=400.0),
        high=Limit(bad=Direction.ABOVE, warn_at=2000.0, refuse_at=2600.0),
    ),
    hint=_MASK,
)
PIECES = Check(
    name="pieces of brain",
    unit="",
    limit=Limit(bad=Direction.ABOVE, warn_at=2.0, refuse_at=5.0),
    hint=_MASK,
)
SYMMETRY = Check(
    name="left-right symmetry",
    unit="",
    limit=Limit(bad=Direction.BELOW, warn_at=0.9, refuse_at=0.8),
    hint=_MASK,
)
BORDER = Check(
    name="brain at the border",
    unit="cm2",
    limit=Limit(bad=Direction.ABOVE, warn_at=25.0, refuse_at=60.0),
    hint="The scan does not show the whole brain; what it lacks cannot be segmented.",
)
LEFT_OUT = Check(
    name="brain around the mask",
    unit="percent",
    limit=Limit(bad=Direction.ABOVE, warn_at=35.0, refuse_at=70.0),
    hint=_MASK,
)
COVERED = Check(
    name="brain seen",
    unit="percent",
    limit=Limit(bad=Direction.BELOW, warn_at=90.0, refuse_at=75.0),
    hint="An image shows only a part of the brain; give one that shows all of it.",
)
CUT_OFF = Check(
    name="bright signal cut off",
    unit="mL",
    limit=Limit(bad=Direction.ABOVE, warn_at=2.0, refuse_at=10.0),
    hint=_MASK,
)
THICKNESS = Check(
    name="slice thickness",
    unit="mm",
    limit=Limit(bad=Direction.ABOVE, warn_at=7.0, refuse_at=12.0),
    hint=_SCAN,
)
IN_PLANE = Check(
    name="pixel size",
    unit="mm",
    limit=Limit(bad=Direction.ABOVE, warn_at=2.0, refuse_at=6.0),
    hint=_SCAN,
)
ANISOTROPY = Check(
    name="anisotropy",
    unit="",
    limit=Limit(bad=Direction.ABOVE, warn_at=12.0),
    hint=_SCAN,
)
