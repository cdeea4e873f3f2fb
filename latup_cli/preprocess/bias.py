"""Even out the slow change of brightness that receiver coils leave, by N4."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.study import Step
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import GeometryError
from latup_cli.imaging.itk import array_from_itk, to_itk
from latup_cli.preprocess.resample import resample


@dataclass(frozen=True, slots=True)
class N4Settings:
    """How N4 runs (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908).

    Attributes:
        spacing_mm: Voxel size at which the field is estimated; finer axes are made coarser.
        iterations: At most, at each of the levels, each with twice the control points.
        tolerance: Change of the field below which a level ends.
        control_points: Of the first level's B-spline, along each axis.
    """

    spacing_mm: float = 4.0
    iterations: tuple[int, ...] = (50, 50, 30)
    tolerance: float = 1e-3
    control_points: int = 4


N4 = N4Settings()


def correct_bias(
    volume: Volume, brain: Mask, *, modality: str, settings: N4Settings = N4
) -> tuple[Volume, Step]:
    """Divide an image by its bias field.

    The field is estimated inside the brain at reduced resolution, with mean 1 there in the
    geometric sense, and applied to the whole image at full resolution. One thread, for several
    would sum in another order and give other last bits.

    Args:
        volume: Any scale; what is not positive carries no information for N4.
        brain: On the same grid.
        modality: Its name, for the record.
        settings: How N4 runs.

    Returns:
        The corrected image, and the step with the range of the field in the brain.

    Raises:
        GeometryError: If the grids differ or are sheared, or the mask is empty.
    """
    if not brain.grid.matches(volume.grid):
        raise GeometryError("The image and the brain mask lie on different grids.")
    if not (brain.data & (volume.data > 0.0)).any():
        raise GeometryError("The brain mask holds no signal, so there is no field to see.")
    started = time.perf_counter()
    log_field = _log_field(volume, brain, settings)
    log_field -= float(log_field[brain.data].mean())
    field = np.exp(log_field)
    corrected = Volume((volume.data / field).astype(np.float32), volume.grid)
    low, high = np.percentile(field[brain.data], (1, 99))
    record = {**asdict(settings), "modality": modality, "field_range": (float(low), float(high))}
    return corrected, Step("n4", record, time.perf_counter() - started)


def _log_field(
    volume: Volume, brain: Mask, settings: N4Settings
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(i, j, k) natural logarithm of the field, on the grid of the image."""
    spacing_i, spacing_j, spacing_k = (
        max(settings.spacing_mm, mm) for mm in volume.grid.spacing_mm
    )
    grid = volume.grid.respaced((spacing_i, spacing_j, spacing_k))
    coarse = resample(volume.data, volume.grid, grid)
    # a voxel on the brain's edge, mixed with black, would pass for shade
    signal = brain.data & (volume.data > 0.0)
    share = resample(signal.astype(np.float32), volume.grid, grid)
    inside = share >= min(0.99, float(share.max()))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetNumberOfThreads(1)
    n4.SetNumberOfWorkUnits(1)
    n4.SetMaximumNumberOfIterations(settings.iterations)
    n4.SetConvergenceThreshold(settings.tolerance)
    n4.SetNumberOfControlPoints([settings.control_points] * 3)
    n4.Execute(to_itk(coarse, grid), to_itk(inside.astype(np.uint8), grid))
    full = to_itk(volume.data, volume.grid)
    return array_from_itk(n4.GetLogBiasFieldAsImage(full)).astype(np.float32)
