"""Our figures against other people's libraries: MONAI, and SimpleITK for components."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.config import LesionChallenge
from latup_cli.evaluation.lesions import RULES, lesion_scores
from latup_cli.evaluation.overlap import overlap_counts
from latup_cli.evaluation.surface import hausdorff95
from tests.evaluation.masks import Mask, Spacing, blobs, shifted

torch = pytest.importorskip("torch")
metrics = pytest.importorskip("monai.metrics")
pytestmark = pytest.mark.filterwarnings(  # MONAI warns of what it passes to itself
    "ignore:.*always_return_as_numpy:FutureWarning"
)

SHAPE = (30, 26, 22)
DICE_TOLERANCE = 1e-6
HD95_TOLERANCE_MM = 1e-3
NEIGHBORS_18 = [s for s in product((-1, 0, 1), repeat=3) if 0 < np.count_nonzero(s) < 3]


def random_case(seed: int) -> tuple[Mask, Mask, Spacing]:
    """A reference of several blobs, a prediction like it, and a spacing."""
    rng = np.random.default_rng(seed)
    reference = blobs(rng, SHAPE)
    x, y, z = rng.uniform(0.4, 3.0, 3).tolist()
    return shifted(rng, reference), reference, (x, y, z)


def one_hot(mask: Mask) -> object:
    """(1, 1, i, j, k), as MONAI takes it."""
    return torch.from_numpy(mask[None, None].astype(np.float32))


def monai_hd95(prediction: Mask, reference: Mask, spacing: Spacing) -> float:
    """HD95 of MONAI."""
    distance = metrics.compute_hausdorff_distance(
        one_hot(prediction),
        one_hot(reference),
        include_background=True,
        percentile=95,
        spacing=list(spacing),
    )
    return float(distance)


@pytest.mark.parametrize("seed", range(12))
def test_dice_agrees_with_monai(seed: int) -> None:
    """Dice is MONAI's to 1e-6."""
    prediction, reference, _ = random_case(seed)
    theirs = metrics.compute_dice(one_hot(prediction), one_hot(reference))
    assert abs(overlap_counts(prediction, reference).dice - float(theirs)) <= DICE_TOLERANCE


@pytest.mark.parametrize("seed", range(12))
def test_dice_agrees_with_simpleitk(seed: int) -> None:
    """Dice is ITK's to 1e-6."""
    prediction, reference, _ = random_case(seed)
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(*(sitk.GetImageFromArray(m.astype(np.uint8)) for m in (reference, prediction)))
    ours = overlap_counts(prediction, reference).dice
    assert abs(ours - measure.GetDiceCoefficient()) <= DICE_TOLERANCE


@pytest.mark.parametrize("seed", range(12))
def test_hd95_agrees_with_monai(seed: int) -> None:
    """HD95 is MONAI's to 0.001 mm, on voxels of three different sizes."""
    prediction, reference, spacing = random_case(seed)
    ours = hausdorff95(prediction, reference, spacing)
    assert abs(ours - monai_hd95(prediction, reference, spacing)) <= HD95_TOLERANCE_MM


@pytest.mark.parametrize("seed", range(6))
def test_sensitivity_and_specificity_agree_with_monai(seed: int) -> None:
    """Both shares are MONAI's to 1e-6."""
    prediction, reference, _ = random_case(seed)
    matrix = metrics.get_confusion_matrix(one_hot(prediction), one_hot(reference))
    ours = overlap_counts(prediction, reference)
    for name in ("sensitivity", "specificity"):
        theirs = float(metrics.compute_confusion_matrix_metric(name, matrix))
        assert abs(getattr(ours, name) - theirs) <= 1e-6


# --- lesion-wise, a second time, from other parts -----------------------------------------------


def itk_components(mask: Mask) -> npt.NDArray[np.uint32]:
    """26-connected components by ITK."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    return np.asarray(sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True)))


def dilated(mask: Mask, steps: int) -> Mask:
    """Dilation by 18 neighbors, by moving the mask about."""
    padded = np.pad(mask, steps)
    for _ in range(steps):
        moved = [np.roll(padded, step, (0, 1, 2)) for step in NEIGHBORS_18]
        padded = np.logical_or.reduce([padded, *moved])
    return padded[(slice(steps, -steps),) * 3]


def lesion_wise(
    prediction: Mask, reference: Mask, spacing: Spacing, rule: LesionChallenge
) -> tuple[float, float, int]:
    """Mean Dice, mean HD95 and false positives, lesion after lesion as the challenge words it."""
    steps, ignored_mm3 = {"gli": (3, 50.0), "met": (1, 2.0)}[rule]
    components, zones = itk_components(prediction), itk_components(dilated(reference, steps))
    touched: set[int] = set()
    dices, distances = [], []
    for zone in range(1, int(zones.max()) + 1):
        lesion = reference & (zones == zone)
        hits = set(np.unique(components[dilated(lesion, steps)]).tolist()) - {0}
        touched |= hits
        if lesion.sum() * np.prod(spacing) <= ignored_mm3:
            continue
        found = np.isin(components, list(hits))
        dices.append(2 * (found & lesion).sum() / (found.sum() + lesion.sum()))
        distances.append(monai_hd95(found, lesion, spacing) if hits else 374.0)
    made_up = int(components.max()) - len(touched)
    dices += [0.0] * made_up
    distances += [374.0] * made_up
    if not dices:
        return 1.0, 0.0, made_up
    return float(np.mean(dices)), float(np.mean(distances)), made_up


@pytest.mark.parametrize("rule", LesionChallenge)
@pytest.mark.parametrize("seed", range(12))
def test_lesion_wise_agrees_with_a_second_implementation(seed: int, rule: LesionChallenge) -> None:
    """Lesion-wise Dice agrees to 1e-6 and HD95 to 0.001 mm with ITK's components and MONAI."""
    rng = np.random.default_rng(1000 + seed)
    reference = blobs(rng, SHAPE, int(rng.integers(2, 6)))
    prediction = shifted(rng, reference & (rng.random(SHAPE) < 0.9))
    spacing = (1.0, 0.8, 1.7)
    ours = lesion_scores(prediction, reference, spacing, RULES[rule])
    dice, hd95_mm, made_up = lesion_wise(prediction, reference, spacing, rule)
    assert ours.made_up == made_up
    assert abs(ours.dice - dice) <= DICE_TOLERANCE
    assert abs(ours.hd95_mm - hd95_mm) <= HD95_TOLERANCE_MM
