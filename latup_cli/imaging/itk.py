"""The only place where RAS+ and (i, j, k) meet ITK's LPS+ and (k, j, i)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)

from latup_cli.domain.grid import Grid
from latup_cli.domain.transform import Points, RigidTransform
from latup_cli.domain.volume import Volume
from latup_cli.errors import GeometryError

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # its own inverse


def to_itk(data: npt.NDArray[np.generic], grid: Grid) -> sitk.Image:
    """Hand (i, j, k) voxels to SimpleITK, which copies them.

    Raises:
        GeometryError: If the grid is sheared; ITK cannot describe it.
    """
    if not grid.is_orthogonal:
        raise GeometryError("The image is sheared, and ITK needs axes at right angles.")
    lps_from_voxel = _LPS_FROM_RAS @ grid.ras_from_voxel
    image = sitk.GetImageFromArray(data.transpose(2, 1, 0))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(lps_from_voxel[:3, 3].tolist())
    image.SetDirection((lps_from_voxel[:3, :3] / grid.spacing_mm).ravel().tolist())
    return image


def from_itk(image: sitk.Image) -> Volume:
    """Take a volume back from SimpleITK as float32."""
    lps_from_voxel = np.eye(4)
    lps_from_voxel[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps_from_voxel[:3, 3] = image.GetOrigin()
    data = array_from_itk(image).astype(np.float32)
    i, j, k = data.shape
    return Volume(data, Grid((i, j, k), _LPS_FROM_RAS @ lps_from_voxel))


def array_from_itk(image: sitk.Image) -> npt.NDArray[np.generic]:
    """Voxels as (i, j, k), in the image's own number type."""
    array: npt.NDArray[np.generic] = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    return array


def rigid_to_itk(transform: RigidTransform, center_ras_mm: Points) -> sitk.Euler3DTransform:
    """A rigid transform as ITK optimizes it, with its angles about the point (3,)."""
    lps = _LPS_FROM_RAS @ transform.moving_from_fixed @ _LPS_FROM_RAS
    center = _LPS_FROM_RAS[:3, :3] @ center_ras_mm
    euler = sitk.Euler3DTransform()
    euler.SetCenter(center.tolist())
    euler.SetMatrix(lps[:3, :3].ravel().tolist(), tolerance=1e-6)
    euler.SetTranslation((lps[:3, :3] @ center + lps[:3, 3] - center).tolist())
    return euler


def rigid_from_itk(euler: sitk.Euler3DTransform) -> RigidTransform:
    """Take a rigid transform back from ITK."""
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(euler.GetMatrix(), (3, 3))
    lps[:3, 3] = euler.TransformPoint((0.0, 0.0, 0.0))
    return RigidTransform(_LPS_FROM_RAS @ lps @ _LPS_FROM_RAS)


def components(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.uint32], int]:
    """Number the pieces of an (i, j, k) mask from 1, voxels joined by faces; and their count.

    Arrays go to ITK as they lie in memory: the answer does not depend on the order of axes.
    """
    found = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.T.view(np.uint8)))
    numbers: npt.NDArray[np.uint32] = sitk.GetArrayFromImage(found).T
    return numbers, int(numbers.max(initial=0))


def filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """An (i, j, k) mask with what it encloses, so that no face leads from there to outside."""
    outside, _ = components(~np.pad(mask, 1))
    whole: npt.NDArray[np.bool_] = outside[1:-1, 1:-1, 1:-1] != outside[0, 0, 0]
    return whole
