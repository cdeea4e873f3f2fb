"""How far the surfaces of two masks lie apart, in mm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from latup_cli.domain.grid import Box

ONE_EMPTY_MM = 373.13
"""What BraTS counts where one mask is empty: the diagonal of its 240 x 240 x 155 mm images."""

_PERCENT = 95.0
_FACES = ndimage.generate_binary_structure(3, 1)


def hausdorff95(
    prediction: npt.NDArray[np.bool_],
    reference: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    one_empty_mm: float = ONE_EMPTY_MM,
) -> float:
    """The 95th percentile of the distances between two surfaces, in mm.

    For each direction the 95th percentile, by linear interpolation, of the distances from
    every surface voxel's center to the nearest surface voxel of the other mask; then the larger
    of the two (Huttenlocher 1993 with the percentile of BraTS, Menze 2015; the definition of
    `monai.metrics.compute_hausdorff_distance`). Other tools differ: MedPy and panoptica take
    the percentile over both directions at once, DeepMind's surface-distance weighs by area.

    Args:
        prediction: (i, j, k) bool.
        reference: (i, j, k) bool.
        spacing_mm: Distance of voxel centers along i, j, k.
        one_empty_mm: The result if exactly one mask is empty; 0 if both are.
    """
    if not prediction.any() or not reference.any():
        return one_empty_mm if prediction.any() or reference.any() else 0.0
    both_ways = surface_distances(prediction, reference, spacing_mm)
    return max(float(np.percentile(distances, _PERCENT)) for distances in both_ways)


def surface_distances(
    prediction: npt.NDArray[np.bool_],
    reference: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances in mm from each surface voxel to the other surface.

    Args:
        prediction: (i, j, k) bool, not empty.
        reference: (i, j, k) bool, not empty.
        spacing_mm: Distance of voxel centers along i, j, k.

    Returns:
        From the prediction to the reference, and back.
    """
    ours = surface_voxels(prediction) * np.asarray(spacing_mm)
    theirs = surface_voxels(reference) * np.asarray(spacing_mm)
    there, _ = spatial.KDTree(theirs).query(ours)
    back, _ = spatial.KDTree(ours).query(theirs)
    return np.asarray(there), np.asarray(back)


def surface_voxels(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """(n, 3) indices of voxels of a mask with a face towards its outside or the image's edge."""
    box = Box.around(mask)
    inside = mask[box.slices]
    surface = inside & ~ndimage.binary_erosion(inside, _FACES)
    voxels: npt.NDArray[np.intp] = np.argwhere(surface) + np.asarray(box.start)
    return voxels
