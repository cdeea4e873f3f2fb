"""How tissue shines on each modality, and what a scanner does to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from phantom.anatomy import Anatomy
from phantom.fields import Array, Bools, Lengths, correlated_noise, smooth_field
from phantom.tumor import ED, ET, NCR, Tumor

CLASSES = ("CSF", "GM", "WM", "NCR", "ED", "ET")

_BORDER_MM = 0.7  # how sharply tumor parts end before the scanner blurs them


@dataclass(frozen=True, slots=True)
class Contrast:
    """How one modality is to look; every number in z, the deviation of the whole brain being 1.

    Attributes:
        levels: Class to the level that its voxels show after blurring.
        uneven: Class to the deviation of smooth variation inside it.
        deep: Added to edema at the core, fading outward.
        detail: Factor on the template's own T1 detail.
        vessels: Level of blood vessels over their surroundings.
        blur_mm: Gaussian standard deviation of the scanner along i, j, k.
        noise: Deviation of the noise.
        noise_blur_mm: Gaussian standard deviation that ties neighboring noise together.
        bias: Deviation of the smooth shading.
    """

    levels: Mapping[str, float]
    uneven: Mapping[str, float]
    deep: float
    detail: float
    vessels: float
    blur_mm: Lengths
    noise: float
    noise_blur_mm: Lengths
    bias: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Whole numbers that an image is stored in.

    Attributes:
        mean: Of the brain.
        deviation: Of the brain.
        largest: Brighter voxels are cut off here.
    """

    mean: float
    deviation: float
    largest: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What every modality sees.

    Attributes:
        weights: (6, i, j, k) float64, share of each class; they add up to 1.
        mixing: (6, 6) float64, mean shares (columns) in the voxels that show a class (rows).
        detail: (i, j, k) float64, T1 detail of the template.
        depth: (i, j, k) float64, 1 at the tumor core, 0 at the end of the edema.
        vessels: (i, j, k) float64 in [0, 1].
        texture: "healthy" or tumor class to (i, j, k) float64, smooth variation that the
            modalities have in common, deviation 1.
        brain: (i, j, k) bool.
    """

    weights: Array
    mixing: Array
    detail: Array
    depth: Array
    vessels: Array
    texture: Mapping[str, Array]
    brain: Bools


def compose_scene(anatomy: Anatomy, tumor: Tumor, rng: np.random.Generator) -> Scene:
    """Put the tumor into the brain: shares of six classes for every voxel."""
    ncr, et = (_soft(tumor.labels == label) for label in (NCR, ET))
    edema = np.maximum(tumor.edema, 0.5 * (tumor.labels == ED)) * (1.0 - anatomy.fractions[0])
    rest = 1.0 - ncr - et
    healthy = anatomy.fractions * (rest * (1.0 - edema))
    weights = np.concatenate([healthy, np.stack([ncr, rest * edema, et])])
    mixing = _mixing(weights, anatomy.brain)
    texture = {name: _texture(rng, anatomy.brain) for name in ("healthy", "NCR", "ED", "ET")}
    vessels = _vessels(anatomy, rng) * rest
    return Scene(weights, mixing, anatomy.detail, tumor.depth, vessels, texture, anatomy.brain)


def render(scene: Scene, contrast: Contrast, rng: np.random.Generator) -> Array:
    """One modality, noise-free tissue through to the scanner's noise.

    Returns:
        (i, j, k) float64, in units in which the brain's mean is about 0 and its deviation about
        1; 0 outside the brain.
    """
    pure = _unmixed_levels(scene, contrast)
    image = np.einsum("c,cijk->ijk", pure, scene.weights) + _variation(scene, contrast, rng)
    return _blurred(image, scene.brain, contrast.blur_mm)


def scan(
    image: Array, brain: Bools, contrast: Contrast, scale: Scale, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """Give an image shading, Rician noise and whole numbers.

    The magnitude of a signal with Gaussian noise in both channels is Rician (Gudbjartsson and
    Patz 1995, doi:10.1002/mrm.1910340618).

    Returns:
        (i, j, k) int16, at least 1 inside the brain and exactly 0 outside.
    """
    signal = scale.mean + scale.deviation * _standardized(image, brain)
    signal *= 1.0 + contrast.bias * scale.deviation / scale.mean * _shading(rng, brain)
    sigma = contrast.noise * scale.deviation
    real, imaginary = (
        sigma * correlated_noise(rng, _shape(brain), contrast.noise_blur_mm) for _ in range(2)
    )
    magnitude = np.hypot(np.maximum(signal, 0.0) + real, imaginary)
    whole = np.clip(np.rint(magnitude), 1, scale.largest)
    return np.where(brain, whole, 0).astype(np.int16)


def _shading(rng: np.random.Generator, brain: Bools) -> Array:
    """What bias correction left: a random smooth field, mean 0 and deviation 1 in the brain."""
    field = smooth_field(rng, _shape(brain), 35.0)
    return np.asarray((field - field[brain].mean()) / field[brain].std())


def _shape(brain: Bools) -> tuple[int, int, int]:
    """Voxels along i, j, k."""
    i, j, k = brain.shape
    return i, j, k


def _unmixed_levels(scene: Scene, contrast: Contrast) -> Array:
    """Pure levels whose mixtures show the wanted ones, since few voxels are of one class only."""
    wanted = np.array([contrast.levels[name] for name in CLASSES])
    return np.asarray(np.linalg.solve(scene.mixing, wanted))


def _mixing(weights: Array, brain: Bools) -> Array:
    """(6, 6): what the voxels that show each class are made of."""
    inside = weights[:, brain]
    strongest = inside.argmax(axis=0)
    return np.stack([inside[:, strongest == n].mean(axis=1) for n in range(len(CLASSES))])


def _variation(scene: Scene, contrast: Contrast, rng: np.random.Generator) -> Array:
    """Everything that makes a class uneven: texture, depth of edema, detail, vessels."""
    own = _texture(rng, scene.brain)
    total = contrast.detail * scene.detail + contrast.vessels * scene.vessels
    for number, name in enumerate(CLASSES):
        mixed = 0.75 * scene.texture.get(name, scene.texture["healthy"]) + 0.66 * own
        total += contrast.uneven[name] * mixed * scene.weights[number]
    edema = scene.weights[CLASSES.index("ED")]
    deepest = scene.depth - np.average(scene.depth, weights=edema)
    total += contrast.deep * deepest * edema
    return np.asarray(total)


def _vessels(anatomy: Anatomy, rng: np.random.Generator) -> Array:
    """Specks in sulci and ventricles, and stretches of sinus and dura on the brain's surface."""
    brain = anatomy.brain
    surface = brain & ~ndimage.binary_erosion(brain, iterations=3)
    sulci = anatomy.fractions[0] > 0.3
    specks = smooth_field(rng, _shape(brain), 1.2)
    near = sulci & (specks > np.quantile(specks[brain & sulci], 0.92))
    outer = surface & (smooth_field(rng, _shape(brain), 2.0) > 1.9)
    return _soft((near | outer) & brain)


def _texture(rng: np.random.Generator, brain: Bools) -> Array:
    wide, fine = (smooth_field(rng, _shape(brain), scale) for scale in (6.0, 1.8))
    return np.asarray((wide + 0.7 * fine) / np.hypot(1.0, 0.7))


def _blurred(image: Array, brain: Bools, blur_mm: Lengths) -> Array:
    """Blur inside the brain only: skull stripping came after the scanner."""
    weight = ndimage.gaussian_filter(brain.astype(np.float64), blur_mm)
    blurred: Array = ndimage.gaussian_filter(np.where(brain, image, 0.0), blur_mm)
    return np.where(brain, blurred / np.maximum(weight, 1e-6), 0.0)


def _standardized(image: Array, brain: Bools) -> Array:
    inside = image[brain]
    return np.asarray((image - inside.mean()) / inside.std())


def _soft(mask: Bools) -> Array:
    soft: Array = ndimage.gaussian_filter(mask.astype(np.float64), _BORDER_MM)
    return soft
