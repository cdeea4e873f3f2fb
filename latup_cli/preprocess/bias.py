"""Even out the slow change of brightness that receiver coils leave, by N4."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Box
from latup_cli.domain.study import Step
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError
from latup_cli.imaging.itk import array_from_itk
from latup_cli.preprocess.resample import along_axis

_Image = npt.NDArray[np.float32]

_FEWEST_BLOCKS = 4  # along each axis
_FLATTEST = 1e-5  # range of log intensities below which there is nothing to even out
_MOSTLY_POSITIVE = 0.95
_SEEN = 40  # voxels along each axis, at least, that tell the range of so smooth a field


@dataclass(frozen=True, slots=True)
class N4Settings:
    """How N4 runs (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908).

    The defaults belong to the normalization "n4-zscore-brain": a model that was measured with
    them is not the same model with others. `benchmarks/bias_field.py` compares them.

    Attributes:
        block_mm: Edge of the blocks whose mean intensity the field is fitted to.
        iterations: At most, at each of the levels, each with twice the control points.
        tolerance: Change of the field below which a level ends.
        control_points: Of the first level's B-spline, along each axis.
    """

    block_mm: float = 12.0
    iterations: tuple[int, ...] = (20, 10)
    tolerance: float = 1e-3
    control_points: int = 4


N4 = N4Settings()


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """An image without its bias field.

    Attributes:
        image: (i, j, k) float32.
        field_range: What it was divided by, at the 1st and the 99th percentile of the brain.
    """

    image: _Image
    field_range: tuple[float, float]


def correct_bias(
    volume: Volume, brain: Mask, *, modality: str, settings: N4Settings = N4
) -> tuple[Volume, Step]:
    """Divide an image by its bias field.

    Args:
        volume: Any scale; what is not positive carries no information for N4.
        brain: On the same grid.
        modality: Its name, for the record.
        settings: How N4 runs.

    Returns:
        The image, corrected in the box around the brain, and the step with the range of the
        field in the brain.

    Raises:
        GeometryError: If the grids differ, or the mask holds no signal.
    """
    if not brain.grid.matches(volume.grid):
        raise GeometryError("The image and the brain mask lie on different grids.")
    if not (brain.data & (volume.data > 0.0)).any():
        raise GeometryError("The brain mask holds no signal, so there is no field to see.")
    started = time.perf_counter()
    box = Box.around(brain.data)
    inside = brain.data[box.slices]
    corrected = volume.data.astype(np.float32)
    field_range = _even_out(corrected[box.slices], inside, volume.grid.spacing_mm, settings)
    record = {**asdict(settings), "modality": modality, "field_range": field_range}
    return Volume(corrected, volume.grid), Step("n4", record, time.perf_counter() - started)


def without_bias(
    images: Iterable[npt.NDArray[np.generic]],
    inside: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> list[Corrected]:
    """Divide images of one brain by their bias fields, side by side, with the settings `N4`.

    Args:
        images: (i, j, k) each.
        inside: (i, j, k), the brain; at least one True.
        spacing_mm: Of the voxels along i, j, k.

    Returns:
        One of each, in their order.
    """

    def corrected(image: npt.NDArray[np.generic]) -> Corrected:
        even = image.astype(np.float32)
        return Corrected(even, _even_out(even, inside, spacing_mm, N4))

    with ThreadPoolExecutor() as side_by_side:
        return list(side_by_side.map(corrected, images))


def bias_field(
    image: _Image,
    inside: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    settings: N4Settings = N4,
) -> _Image:
    """The field that an image is to be divided by; geometric mean 1 in the brain.

    It is fitted to the means of blocks, of positive brain voxels alone: a block that also saw
    the black around the brain would pass for shade. One thread, for several would sum in
    another order and give other last bits.

    An image with many voxels at or below 0 in the brain has no zero of its own, having been
    normalized by somebody else; such an image, one without contrast, and one of fewer than four
    voxels along an axis give a field of 1.

    Args:
        image: (i, j, k) float32, intensities from 0.
        inside: (i, j, k), the brain.
        spacing_mm: Of the voxels along i, j, k.
        settings: How N4 runs.

    Returns:
        (i, j, k) float32.
    """
    signal = inside & (image > 0)
    too_thin = min(image.shape) < _FEWEST_BLOCKS
    if too_thin or signal.sum() < _MOSTLY_POSITIVE * inside.sum() or not signal.any():
        return np.ones(image.shape, dtype=np.float32)
    steps = _block_voxels(image.shape, spacing_mm, settings.block_mm)
    count = _block_sums(signal.astype(np.float32), steps)
    total = _block_sums(np.where(signal, image, np.float32(0)), steps)
    half = count >= min(np.prod(steps) / 2.0, count.max())
    coarse = np.where(half, total / np.maximum(count, 1.0), 0.0).astype(np.float32)
    if np.ptp(np.log(coarse[half])) < _FLATTEST:
        return np.ones(image.shape, dtype=np.float32)
    log_field = _fitted(coarse, half, steps, spacing_mm, settings)
    for axis, (size, step) in enumerate(zip(image.shape, steps, strict=True)):
        places = (np.arange(size) + 0.5) / step - 0.5
        log_field = along_axis(log_field, axis, np.clip(places, 0, log_field.shape[axis] - 1))
    log_field -= float(log_field[signal].mean(dtype=np.float64))
    field: _Image = np.exp(log_field, out=log_field)
    return field


def _even_out(
    image: _Image,
    inside: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    settings: N4Settings,
) -> tuple[float, float]:
    """Divide an image by its field, in place; the field's range as in `Corrected`."""
    field = bias_field(image, inside, spacing_mm, settings)
    image /= field
    sparse = tuple(slice(None, None, max(1, size // _SEEN)) for size in field.shape)
    seen = field[sparse][inside[sparse]]
    low, high = np.percentile(seen if seen.size else field[inside], (1, 99))
    return float(low), float(high)


def _block_voxels(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float], block_mm: float
) -> tuple[int, ...]:
    """Voxels along each edge of a block; fewer where the image would have too few blocks."""
    return tuple(
        max(1, min(round(block_mm / mm), size // _FEWEST_BLOCKS))
        for size, mm in zip(shape, spacing_mm, strict=True)
    )


def _block_sums(image: _Image, steps: tuple[int, ...]) -> _Image:
    """(i, j, k) to the sums of blocks; the last along an axis may be cut off."""
    for axis, step in enumerate(steps):
        image = np.add.reduceat(image, np.arange(0, image.shape[axis], step), axis=axis)
    return image


def _fitted(
    coarse: _Image,
    known: npt.NDArray[np.bool_],
    steps: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    settings: N4Settings,
) -> _Image:
    """Natural logarithm of the field at every block."""
    image, mask = (
        sitk.GetImageFromArray(np.ascontiguousarray(data.transpose()))
        for data in (coarse, known.astype(np.uint8))
    )
    edges = [step * mm for step, mm in zip(steps, spacing_mm, strict=True)]
    image.SetSpacing(edges)
    mask.SetSpacing(edges)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetNumberOfThreads(1)
    n4.SetNumberOfWorkUnits(1)
    n4.SetMaximumNumberOfIterations(settings.iterations)
    n4.SetConvergenceThreshold(settings.tolerance)
    n4.SetNumberOfControlPoints([settings.control_points] * 3)
    n4.Execute(image, mask)
    return array_from_itk(n4.GetLogBiasFieldAsImage(image)).astype(np.float32)
