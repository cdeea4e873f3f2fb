"""Put together the report of one segmentation."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from latup_cli import __version__
from latup_cli.domain.finding import Finding
from latup_cli.domain.grid import Grid
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.report import InputFile, InputGrid, Machine, ModelIdentity, Report
from latup_cli.domain.segmentation import Segmentations
from latup_cli.domain.study import PreparedStudy, Step, Study, StudyFiles
from latup_cli.errors import UnreadableImageError
from latup_cli.imaging.nifti_bytes import parts
from latup_cli.reporting.privacy import Redaction
from latup_cli.reporting.volumes import measure

_DISTRIBUTIONS = ("numpy", "nibabel", "SimpleITK")
_ENGINE_FLAVORS = ("", "-gpu", "-directml", "-openvino")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What only the workflow knows about a run.

    Attributes:
        folder: The study's folder; reported paths are relative to it.
        created: The time of the report, with a time zone.
        stage_seconds: Stage to seconds, in the order of the work.
        warnings: What was odd and was accepted, beyond the study's own warnings.
        quality: What was measured to judge the study's preparation and the answer.
    """

    folder: Path
    created: datetime
    stage_seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    quality: tuple[Finding, ...] = ()


def build_report(
    study: Study,
    prepared: PreparedStudy,
    found: Segmentations,
    spec: ModelSpec,
    run: RunFacts,
) -> Report:
    """Collect everything that a report says; the input files are read once more and hashed.

    Raises:
        UnreadableImageError: If an input file cannot be read any more.
        GeometryError: If label map and brain mask do not lie on one grid.
        ValueError: If the brain is empty, or `run.created` has no time zone.
    """
    redaction = Redaction(run.folder, study.files.name, study.files.private)
    runs_on, aligned, native = found.runs_on, found.aligned, found.native
    moved = native is not aligned
    warnings = dict.fromkeys((*study.warnings, *run.warnings))
    return Report(
        study=study.files.name,
        created=run.created,
        inputs=_inputs(study.files, redaction),
        grid=_described(native.labels.grid),
        model=model_identity(spec),
        runs_on=replace(runs_on, reason=redaction.text(runs_on.reason)),
        windows=found.windows,
        window=spec.window,
        views=found.views,
        software=software_versions(runs_on.engine),
        machine=Machine(platform.system(), platform.machine()),
        stage_seconds=dict(run.stage_seconds),
        steps=tuple(_plain_step(step, redaction) for step in prepared.steps),
        warnings=tuple(redaction.text(warning) for warning in warnings),
        labels=aligned.labels.scheme,
        volumes=measure(aligned.labels, aligned.brain),
        quality=run.quality,
        aligned_grid=_described(aligned.labels.grid) if moved else None,
        native_volumes=measure(native.labels, native.brain) if moved else None,
    )


def model_identity(spec: ModelSpec) -> ModelIdentity:
    """What names the weights for good."""
    return ModelIdentity(spec.name, spec.version, spec.sha256)


def software_versions(engine: str) -> dict[str, str]:
    """Versions of this package, Python, the array and image libraries, and the engine.

    Args:
        engine: As in `RunsOn`: "onnxruntime" or "openvino", with or without its version.

    Returns:
        Package to version; engines by the name they were installed under, which tells the
        CPU build of ONNX Runtime from the CUDA build.
    """
    module = engine.split(maxsplit=1)[0]
    engines = [module + flavor for flavor in _ENGINE_FLAVORS]
    versions = {"latup": __version__, "python": platform.python_version()}
    for name in (*_DISTRIBUTIONS, *engines):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an engine has one of its flavors
    return versions


def file_sha256(path: Path, series: tuple[Path, ...] = ()) -> str:
    """SHA-256 of an image's bytes in lower-case hexadecimal.

    Of a pair, header and then voxels are hashed; of a DICOM series, all files in slice order.

    Raises:
        UnreadableImageError: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for part in series or parts(path):
            with part.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error


def _inputs(files: StudyFiles, redaction: Redaction) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(
            modality,
            redaction.path(found.path),
            file_sha256(found.path, found.series),
            redaction.text(found.reason),
        )
        for modality, found in files.modalities.items()
    )


def _described(grid: Grid) -> InputGrid:
    return InputGrid(grid.shape, grid.spacing_mm, axis_codes(grid), grid.voxel_ml)


def _plain_step(step: Step, redaction: Redaction) -> Step:
    settings = {name: _plain(value, redaction) for name, value in step.settings.items()}
    return Step(step.name, settings, step.seconds)


def _plain(value: object, redaction: Redaction) -> object:
    """A setting as numbers, text, lists and mappings, which every report format can hold."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, redaction) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, redaction) for item in value]
    if isinstance(value, Path):
        return redaction.path(value)
    if value is None or isinstance(value, bool | int) or _is_finite(value):
        return value
    return redaction.text(str(value))


def _is_finite(value: object) -> bool:
    """Whether this is a number that JSON has a word for."""
    return isinstance(value, float) and math.isfinite(value)
