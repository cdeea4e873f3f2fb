"""`latup doctor`: look at everything that the main job needs, then do the main job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latup_cli import __version__
from latup_cli.config import SegmentSettings
from latup_cli.errors import DeviceError, LatupError, ModelError
from latup_cli.workflows.checks import CHECKS, CUDA_HINT, REINSTALL, Found, Look, Status

SCHEMA_VERSION = 1
"""Of the JSON; raised when a field changes its meaning, its name, or goes away."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the page; `exit_code` is that of the error, 0 if there was none."""

    name: str
    found: Found
    exit_code: int = 0

    @property
    def failed(self) -> bool:
        """Whether the main job cannot work."""
        return self.found.status is Status.FAILED


@dataclass(frozen=True, slots=True)
class Examination:
    """Every check, in the order of the page."""

    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.failed)

    @property
    def exit_code(self) -> int:
        """0 if the main job works; 5 if the model is broken, 6 if the device is, else 1."""
        codes = {check.exit_code for check in self.checks if check.failed}
        first = (code for code in (ModelError.exit_code, DeviceError.exit_code) if code in codes)
        return next(first, int(bool(codes)))


def examine(
    settings: SegmentSettings, *, announce: Callable[[str], None] = lambda _: None
) -> Examination:
    """Run every check; whatever goes wrong becomes a line of the page.

    Args:
        settings: The model, device and engine to examine.
        announce: Called with the name of each check before it starts.
    """
    checks: list[Check] = []
    for name, (look, needs) in CHECKS.items():
        announce(name)
        lacking = [check.name for check in checks if check.failed and check.name in needs]
        checks.append(_not_tried(name, lacking) if lacking else _checked(name, look, settings))
    return Examination(tuple(checks))


def examination_json(examination: Examination) -> dict[str, object]:
    """The page as JSON's types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "latup": __version__,
        "works": examination.exit_code == 0,
        "exit_code": examination.exit_code,
        "failed": list(examination.failed),
        "checks": [
            {
                "name": check.name,
                "status": str(check.found.status),
                "text": check.found.text,
                "hint": check.found.hint,
                "facts": dict(check.found.facts),
            }
            for check in examination.checks
        ],
    }


def _checked(name: str, look: Look, settings: SegmentSettings) -> Check:
    try:
        found = look(settings)
    except LatupError as error:
        hint = _device_hint(settings) if isinstance(error, DeviceError) else error.hint
        return Check(name, Found(str(error), Status.FAILED, hint), error.exit_code)
    except Exception as error:  # noqa: BLE001  (a doctor does not die of what it finds)
        said = (str(error).splitlines() or [""])[0]
        return Check(name, Found(f"{type(error).__name__}: {said}", Status.FAILED, REINSTALL), 1)
    return Check(name, found, int(found.status is Status.FAILED))


def _not_tried(name: str, lacking: list[str]) -> Check:
    return Check(name, Found(f"not tried, because of: {', '.join(lacking)}", Status.FAILED), 1)


def _device_hint(settings: SegmentSettings) -> str:
    if settings.inference.device.kind == "cuda":
        return f"{CUDA_HINT}. Without it: --device auto"
    return "Install an engine again: pip install --force-reinstall openvino"
