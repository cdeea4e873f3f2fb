"""From images as they came to a prepared study: planned, registered, stripped, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from latup_cli.config import AUTO, InferenceSettings, PreparationSettings, SegmentSettings
from latup_cli.domain.finding import Finding, Verdict
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.study import REFERENCE, AlignedStudy, PreparedStudy, Step, Study
from latup_cli.domain.transform import Registration, RigidTransform
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import CheckRefusedError
from latup_cli.intake.brain_mask import read_brain_mask
from latup_cli.preprocess.brain import BRIGHT, NONZERO
from latup_cli.preprocess.plan import BrainFrom, Plan, plan_preparation
from latup_cli.preprocess.prepare import on_shared_grid, prepare
from latup_cli.preprocess.steps import timed
from latup_cli.quality.acquisition import check_acquisition
from latup_cli.quality.brain import check_brain
from latup_cli.quality.coarse import coarsen
from latup_cli.quality.contrast import check_channels
from latup_cli.quality.registration import check_registration
from latup_cli.workflows.stages import Stages


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A study that the network can see.

    Attributes:
        study: The images as they came.
        aligned: The same on one grid, and the brain.
        prepared: What the network sees.
        motions: Modality to how it was moved onto the T1ce; empty if nothing was.
        quality: What was measured to judge the preparation.
        warnings: What of it people should know.
    """

    study: Study
    aligned: AlignedStudy
    prepared: PreparedStudy
    motions: Mapping[str, Registration] = field(default_factory=dict)
    quality: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Together:
    """Images on one grid, and where each of them was."""

    images: Mapping[str, Volume]
    motions: Mapping[str, Registration]

    def transform(self, modality: str) -> RigidTransform:
        """From places in the T1ce to places in a modality."""
        motion = self.motions.get(modality)
        return motion.transform if motion else RigidTransform.identity()


def make_ready(study: Study, spec: ModelSpec, settings: SegmentSettings, stages: Stages) -> Ready:
    """Do what the study needs, check it in numbers, and refuse what is far beyond its limits.

    Raises:
        InputError: If the images, or a mask that was given, cannot be used.
        QualityError: If a check refuses the study and nobody forces it.
        DeviceError: If no engine can run the skull-strip networks.
    """
    preparation = settings.preparation
    plan = plan_preparation(study, preparation, spec)
    steps = [Step("plan", {"reasons": plan.reasons})]
    with stages("register"):
        together = _bring_together(study, plan, steps)
    with stages("strip"):
        brain = _find_brain(study, together, plan, settings, steps)
        if plan.common_grid and plan.brain is BrainFrom.NONZERO:
            together = _blank_around(together, brain)
    if plan.n4:
        with stages("prepare"):
            together = _without_bias(together, brain, steps)
    with stages("check"):
        quality = _judge(study, together, brain)
        warnings = _warnings(quality, preparation)
    with stages("prepare"):
        aligned = AlignedStudy(together.images, brain, tuple(steps))
        prepared = prepare(aligned, spec)
    return Ready(study, aligned, prepared, together.motions, quality, warnings)


def _bring_together(study: Study, plan: Plan, steps: list[Step]) -> _Together:
    if not plan.common_grid:
        return _Together(on_shared_grid(study), {})
    from latup_cli.preprocess.align import align, common_grid
    from latup_cli.preprocess.register import register

    motions = {}
    for modality in plan.register:
        motion = register(study.images[REFERENCE], study.images[modality], modality=modality)
        motions[modality] = motion
        steps.append(Step("register", _motion_settings(motion), motion.seconds))
    transforms = {modality: motion.transform for modality, motion in motions.items()}
    grid = common_grid(study.grid)
    with timed(steps, "align", spacing_mm=grid.spacing_mm, shape=grid.shape):
        images = align(study.images, transforms, grid)
    return _Together(images, motions)


def _motion_settings(motion: Registration) -> dict[str, object]:
    return {
        "modality": motion.modality,
        "onto": REFERENCE,
        "moving_from_fixed": motion.transform.moving_from_fixed,
        "rotation_deg": motion.rotation_deg,
        "translation_mm": motion.translation_mm,
        "mutual_information_before": motion.mutual_information_before,
        "mutual_information_after": motion.mutual_information_after,
        "start": motion.start,
        **motion.numbers,
    }


def _find_brain(
    study: Study,
    together: _Together,
    plan: Plan,
    settings: SegmentSettings,
    steps: list[Step],
) -> Mask:
    given = settings.preparation.brain_mask
    if given is not None:
        with timed(steps, "brain", rule="given"):
            return _on_grid_of(
                together, REFERENCE, read_brain_mask(given, study.grid, study.files.name)
            )
    if plan.brain is BrainFrom.NONZERO:
        images = [together.images[modality] for modality in plan.brain_in]
        rule = BRIGHT if plan.common_grid else NONZERO
        with timed(steps, "brain", rule=rule.words, modalities=plan.brain_in):
            return Mask(rule.find(image.data for image in images), images[0].grid)
    if plan.brain is BrainFrom.NETWORK:
        return _strip(study, together, plan.brain_in, settings.inference, steps)
    from latup_cli.preprocess.hd_bet import strip_with_hd_bet

    with timed(steps, "brain", rule="HD-BET", modalities=plan.brain_in):
        return _on_grid_of(together, REFERENCE, strip_with_hd_bet(study.images[REFERENCE]))


def _blank_around(together: _Together, brain: Mask) -> _Together:
    """Stripped images as they were before slices and interpolation smeared their edge."""
    images = {
        modality: Volume(np.where(brain.data, image.data, np.float32(0)), image.grid)
        for modality, image in together.images.items()
    }
    return _Together(images, together.motions)


def _strip(
    study: Study,
    together: _Together,
    candidates: Iterable[str],
    settings: InferenceSettings,
    steps: list[Step],
) -> Mask:
    """Try the shipped networks on some modalities, and keep the most plausible answer."""
    from latup_cli.inference import brain_models
    from latup_cli.preprocess.brain_choice import most_plausible
    from latup_cli.preprocess.skull_strip import strip
    from latup_cli.workflows.engines import open_engine

    models = brain_models.load()
    anyway = replace(settings, precision=AUTO)  # `--precision` is about the tumor network
    box, brain = (open_engine(graph, anyway) for graph in (models.box, models.brain))
    with timed(steps, "brain", rule="networks", networks=models.identity):
        masks = {
            modality: _on_grid_of(
                together, modality, strip(study.images[modality], box.predict, brain.predict)
            )
            for modality in candidates
        }
        choice = most_plausible(masks)
    steps.append(Step("brain choice", {"modality": choice.name, "reason": choice.reason}))
    return masks[choice.name]


def _on_grid_of(together: _Together, modality: str, mask: Mask) -> Mask:
    """A mask of one modality as it came, where the modality lies now."""
    grid = next(iter(together.images.values())).grid
    if not together.motions and mask.grid.matches(grid):
        return Mask(mask.data, grid)
    from latup_cli.preprocess.align import aligned_mask

    return aligned_mask(mask, grid, together.transform(modality))


def _without_bias(together: _Together, brain: Mask, steps: list[Step]) -> _Together:
    from latup_cli.preprocess.bias import correct_bias

    images = {}
    for modality, image in together.images.items():
        corrected, step = correct_bias(image, brain, modality=modality)
        images[modality] = corrected
        steps.append(step)
    return _Together(images, together.motions)


def _judge(study: Study, together: _Together, brain: Mask) -> tuple[Finding, ...]:
    scanned = {modality: image.grid for modality, image in study.images.items()}
    thickest = max(max(grid.spacing_mm) for grid in scanned.values())
    around = coarsen(together.images, brain)
    checks: tuple[Callable[[], tuple[Finding, ...]], ...] = (
        lambda: check_acquisition(scanned),
        lambda: check_registration(around, REFERENCE, motions=together.motions),
        lambda: check_brain(together.images, brain, around),
        lambda: check_channels(around, slice_mm=thickest),
    )
    with ThreadPoolExecutor(len(checks)) as side_by_side:
        found = side_by_side.map(lambda check: check(), checks)
        return tuple(finding for findings in found for finding in findings)


def _warnings(quality: Iterable[Finding], settings: PreparationSettings) -> tuple[str, ...]:
    """What people should know of the checks.

    Raises:
        CheckRefusedError: If a check refuses the study and nobody forces it.
    """
    odd = [finding for finding in quality if finding.verdict is not Verdict.OK]
    refused = [finding for finding in odd if finding.verdict is Verdict.REFUSED]
    if refused and not settings.force:
        meanings = tuple(finding.meaning for finding in refused)
        raise CheckRefusedError(meanings, tuple(finding.hint for finding in refused))
    return tuple(
        f"{finding.meaning} (forced)" if finding in refused else finding.meaning for finding in odd
    )
