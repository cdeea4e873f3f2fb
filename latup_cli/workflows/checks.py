"""What `latup doctor` looks at, one function per line of its page.

Whatever may be missing or broken is imported inside the check that looks at it, so that one
broken library costs one line.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from latup_cli import __version__
from latup_cli.config import DEFAULT_LABELS, Device, SegmentSettings
from latup_cli.errors import DeviceError, LatupError, SampleMissingError
from latup_cli.inference.choose import two_runtimes, why_no_cuda
from latup_cli.labels import REGIONS, label_scheme
from latup_cli.workflows.sample import sample_study

SMALLEST_DICE = 0.8
"""Of the sample's whole tumor against its known answer; below it something is wrong."""

REINSTALL = "Reinstall latup, in a fresh virtual environment if that does not help."
CUDA_HINT = 'Update the NVIDIA driver, or install the libraries of CUDA: pip install "latup[cuda]"'

_LIBRARIES = ("numpy", "nibabel", "SimpleITK", "pillow", "typer", "rich")
_GB = 1e9
_ENOUGH_MEMORY = 2 * _GB  # a study of 240 x 240 x 155 voxels peaked at 0.74 GB
_ENOUGH_DISK = 1 * _GB
_MOST_SETS = 6
_OPENVINO_HINT = "Install it again: pip install --force-reinstall openvino"
_WRONG_HERE = (
    "OpenVINO is wrong on this processor: use --precision float32, and please report this page."
)
_ONE_RUNTIME = (
    "Uninstall all of them, then install one: pip install onnxruntime-gpu (or onnxruntime)"
)


class Status(StrEnum):
    """What a check found: a warning does not keep the main job from working."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found.

    Attributes:
        text: In words.
        status: Whether it is good.
        hint: What to do about it.
        facts: The same for programs, in JSON's types.
    """

    text: str
    status: Status = Status.OK
    hint: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


Look: TypeAlias = Callable[[SegmentSettings], Found]


def _software(_: SegmentSettings) -> Found:
    versions: dict[str, object] = {"latup": __version__, "python": platform.python_version()}
    lacking = []
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            lacking.append(name)
    if lacking:
        return Found(f"lacks {', '.join(lacking)}", Status.FAILED, REINSTALL, versions)
    return Found(
        ", ".join(f"{name} {version}" for name, version in versions.items()), facts=versions
    )


def _processor(_: SegmentSettings) -> Found:
    from latup_cli.workflows import machine

    sets, count = machine.instruction_sets(), machine.processors()
    facts = {"system": machine.system(), "processors": count, "instruction_sets": list(sets)}
    text = f"{machine.system()}, {count} processors, {', '.join(sets[-_MOST_SETS:])}"
    if machine.lacks_fast_instructions(sets):
        hint = "A processor with AVX2 (since about 2013) is several times faster."
        return Found(f"{text}: no fast vector instructions", Status.WARNING, hint, facts)
    return Found(text, facts=facts)


def _memory(_: SegmentSettings) -> Found:
    from latup_cli.workflows import machine

    free = machine.free_memory()
    if free is None:
        return Found("this system does not say how much is free", facts={"free_bytes": None})
    return _room(free, _ENOUGH_MEMORY, "Close other programs.", "free")


def _disk(_: SegmentSettings) -> Found:
    from latup_cli.workflows import machine

    here, scratch = machine.free_disk(Path.cwd()), machine.free_disk(Path(tempfile.gettempdir()))
    where = "free in this folder" if here <= scratch else "free for temporary files"
    return _room(min(here, scratch), _ENOUGH_DISK, "Make room on the disk.", where)


def _room(free: int, enough: float, hint: str, where: str) -> Found:
    text, facts = f"{free / _GB:.1f} GB {where}", {"free_bytes": free}
    if free < enough:
        return Found(f"{text}, less than {enough / _GB:.0f} GB", Status.WARNING, hint, facts)
    return Found(text, facts=facts)


def _openvino(_: SegmentSettings) -> Found:
    from latup_cli.workflows.engines import importing

    try:
        with importing("openvino"):
            from latup_cli.inference import openvino_engine
    except DeviceError as error:
        return Found(error.reason, Status.WARNING, _OPENVINO_HINT)
    processor, abilities = openvino_engine.processor()
    facts = {"version": openvino_engine.VERSION, "abilities": list(abilities)}
    return Found(f"{openvino_engine.VERSION} on {processor}: {', '.join(abilities)}", facts=facts)


def _onnxruntime(_: SegmentSettings) -> Found:
    from latup_cli.workflows.engines import RUNTIMES, importing, installed

    runtimes = installed(RUNTIMES)
    together = two_runtimes(runtimes)
    try:
        with importing("onnxruntime"):
            from latup_cli.inference import onnxruntime_engine as engine
    except DeviceError as error:
        return Found(error.reason, Status.WARNING, _ONE_RUNTIME)
    providers, cuda = engine.providers(), ".".join(map(str, engine.built_for_cuda()))
    facts: dict[str, object] = {
        "version": engine.VERSION,
        "installed": list(runtimes),
        "providers": list(providers),
        "needs_cuda": cuda,
    }
    if together:
        return Found(together, Status.WARNING, _ONE_RUNTIME, facts)
    built = f"built for CUDA {cuda}" if engine.built_for_cuda()[0] else "built without CUDA"
    return Found(f"{engine.VERSION}, {built}: {', '.join(providers)}", facts=facts)


def _cuda(settings: SegmentSettings) -> Found:
    from latup_cli.workflows.engines import available

    found = available()
    asked = settings.inference.device
    reason = why_no_cuda(asked if asked.kind == "cuda" else Device("cuda"), "auto", found)
    driver = found.driver
    if driver is None:
        return Found(f"not used: {reason}", facts={"driver": False, "reason": reason})
    newest = ".".join(map(str, found.driver_cuda))
    facts = {"driver": True, "driver_cuda": newest, "gpus": list(driver.gpus), "reason": reason}
    text = f"a driver for CUDA {newest}, {', '.join(driver.gpus) or 'no GPU'}"
    if reason:
        return Found(f"{text}; not used: {reason}", Status.WARNING, CUDA_HINT, facts)
    return Found(text, facts=facts)


def _model(settings: SegmentSettings) -> Found:
    from latup_cli.inference.models import chosen_model

    model = chosen_model(settings)
    spec, size = model.spec, model.path.stat().st_size
    facts = {"name": spec.name, "version": spec.version, "sha256": spec.sha256, "bytes": size}
    text = f"{spec.name} {spec.version}, {size / 1e6:.1f} MB, sha256 {spec.sha256[:12]}... verified"
    return Found(text, facts=facts)


def _device(settings: SegmentSettings) -> Found:
    import numpy as np

    from latup_cli.inference.models import chosen_model
    from latup_cli.workflows.engines import open_engine

    model = chosen_model(settings)
    opened = open_engine(model.graph, settings.inference)
    window = np.zeros((1, len(model.spec.channels), *model.spec.window), dtype=np.float32)
    opened.predict(window)  # the first one warms up
    started = time.perf_counter()
    opened.predict(window)
    seconds = time.perf_counter() - started
    runs_on, size = opened.runs_on, " x ".join(map(str, model.spec.window))
    facts = {
        "asked": runs_on.asked,
        "used": runs_on.used,
        "engine": runs_on.engine,
        "provider": runs_on.provider,
        "reason": runs_on.reason,
        "precision": runs_on.precision,
        "precision_reason": runs_on.precision_reason,
        "threads": runs_on.threads,
        "options": dict(runs_on.options),
        "seconds_per_window": round(seconds, 3),
    }
    text = (
        f"{runs_on.used} by {runs_on.engine} ({runs_on.reason}); {size} voxels in {seconds:.2f} s"
    )
    if opened.warnings:
        return Found(f"{text}; {opened.warnings[0]}", Status.WARNING, CUDA_HINT, facts)
    return Found(text, facts=facts)


def _precision(settings: SegmentSettings) -> Found:
    from latup_cli.workflows.precisions import beside_float32

    try:
        found = beside_float32(settings)
    except LatupError as error:
        return Found(f"not compared: {error}", Status.WARNING, error.hint)
    if not found:
        return Found("float32 only", facts={})
    text = ", ".join(
        f"{one.name} agrees by Dice {one.agreement:.4f} in {one.time:.2f} times its time"
        for one in found
    )
    facts = {one.name: asdict(one) for one in found}
    wrong = [one for one in found if one.is_wrong]
    if not wrong:
        return Found(f"beside float32, {text}", facts=facts)
    status = Status.FAILED if any(one.is_default for one in wrong) else Status.WARNING
    demands = ", ".join(f"{one.name} must reach {one.least}" for one in wrong)
    return Found(f"beside float32, {text}; {demands}", status, _WRONG_HERE, facts)


def _sample(settings: SegmentSettings) -> Found:
    from latup_cli.intake.find import find_study
    from latup_cli.workflows.segment import segment_study

    folder = sample_study()
    answer = find_study(folder).segmentation
    if answer is None:
        raise SampleMissingError(folder / "*_seg.nii.gz")
    forced = replace(settings.preparation, force=True)  # what is tried here is the installation
    plain = replace(settings, labels=DEFAULT_LABELS, preview=False, save_probabilities=False)
    plain = replace(plain, preparation=forced)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        done = segment_study(folder, Path(scratch) / "out", plain)
        seconds = time.perf_counter() - started
        scores = _dice(done.mask, answer.path)
    text = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
    text = f"Dice {text} against the known answer, in {seconds:.1f} s"
    facts = {"dice": scores, "seconds": round(seconds, 3), "windows": done.report.windows}
    if scores["WT"] < SMALLEST_DICE:
        return Found(f"{text}; WT must reach {SMALLEST_DICE}", Status.FAILED, REINSTALL, facts)
    return Found(text, facts=facts)


def _dice(mask: Path, answer: Path) -> dict[str, float]:
    """Region to Dice of two files in the default labels."""
    import numpy as np

    from latup_cli.domain.volume import LabelMap
    from latup_cli.evaluation.overlap import dice
    from latup_cli.imaging import nifti

    scheme = label_scheme(DEFAULT_LABELS)
    read = [nifti.read_labels(path) for path in (mask, answer)]
    ours, known = (LabelMap(image.data.astype(np.uint8), image.grid, scheme) for image in read)
    return {name: dice(ours.region(name).data, known.region(name).data) for name in REGIONS}


CHECKS: Mapping[str, tuple[Look, tuple[str, ...]]] = {
    "software": (_software, ()),
    "processor": (_processor, ()),
    "memory": (_memory, ()),
    "disk": (_disk, ()),
    "openvino": (_openvino, ()),
    "onnxruntime": (_onnxruntime, ()),
    "cuda": (_cuda, ()),
    "model": (_model, ()),
    "device": (_device, ("model",)),
    "precision": (_precision, ("model", "device")),
    "sample": (_sample, ("model", "device")),
}
"""Name of a check to the function that looks, and the checks without which it cannot."""
