"""The page of a study: what other stages know of its run, for the page to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from latup_cli import __version__
from latup_cli.cohort.page import PageFacts, write_page
from latup_cli.config import SegmentSettings
from latup_cli.domain.cohort import Record
from latup_cli.domain.model import ModelSpec
from latup_cli.labels import Tissue
from latup_cli.reporting.colors import COLORS, Color
from latup_cli.reporting.thumbnail import thumbnail
from latup_cli.reporting.volumes import REGION_NAMES

_COLORS: Mapping[str, Color] = MappingProxyType(
    {"WT": COLORS[Tissue.ED], "TC": COLORS[Tissue.NCR], "ET": COLORS[Tissue.ET]}
)
"""Of each region, the color of the outermost tissue that it holds."""

_YES = {True: "yes", False: "no"}
_REGISTER = {None: "where grids differ", True: "always", False: "never"}


def write_study_page(
    output: Path,
    records: Iterable[Record],
    settings: SegmentSettings,
    spec: ModelSpec,
    *,
    passed_over: int = 0,
) -> Path:
    """Write `summary.html`.

    Args:
        output: Folder of all results.
        records: The last word of the ledger about everybody.
        settings: How each patient was segmented.
        spec: Of the model that did it.
        passed_over: Folders of the study that hold no patient.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    facts = PageFacts(
        created=datetime.now(UTC),
        version=__version__,
        settings=_in_words(settings, spec),
        regions=REGION_NAMES,
        colors=_COLORS,
        thumbnail=thumbnail,
        passed_over=passed_over,
    )
    return write_page(output, records, facts)


def _in_words(settings: SegmentSettings, spec: ModelSpec) -> dict[str, str]:
    """How it was done; a folder of weights is not named, for its path may tell too much."""
    preparation, inference = settings.preparation, settings.inference
    return {
        "Model": "weights of the user's own" if settings.weights else settings.model,
        "Label scheme": settings.labels,
        "Space of the mask": settings.space.value,
        "Registration": _REGISTER[preparation.register],
        "Skull stripping": preparation.skull_strip.value,
        "Bias field removed": _YES[preparation.n4 or spec.removes_bias],
        "Checks overruled": _YES[preparation.force],
        "Windows seen mirrored too": _YES[settings.tta],
        "Smallest window": _YES[settings.low_memory],
        "Order in 4-D files": settings.channels or "",
        "Device asked for": str(inference.device),
        "Engine asked for": inference.engine,
        "Precision asked for": inference.precision,
    }
