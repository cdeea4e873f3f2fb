"""Find where the ICBM 152 template lies in BraTS space, for make_brats_like.py.

    python sample_data/register_template.py FOLDER

FOLDER is that of measure_levels.py. The template's T1 is registered to the mean T1ce of the
subjects, tumors left out; printed is the affine in RAS+ mm from SRI24 to MNI space.
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813  (its own convention)
from measure_levels import subject_folders
from phantom.anatomy import read_template

from latup_cli.imaging.nifti import read

Array = npt.NDArray[np.float64]

_OFFSET, _LARGEST = 4.0, 8.0  # keep the brain apart from a background of 0, and vessels in bounds
_HALF = 0.5
_SHAPE = (240, 240, 155)


def mean_t1ce(folders: list[Path]) -> Array:
    """Mean over subjects of the T1ce outside the tumor, where at least half of them have brain.

    Returns:
        (i, j, k) float64 as stored; in standard deviations from each brain's median, plus 4.
    """
    total, count = np.zeros(_SHAPE), np.zeros(_SHAPE)
    for folder in folders:
        image = _standardized(folder)
        total += image
        count += image > 0.0
    return np.where(count > _HALF * len(folders), total / np.maximum(count, 1.0), 0.0)


def register(fixed: sitk.Image, moving: sitk.Image) -> Array:
    """Affine registration by mutual information, both images in RAS+ mm.

    Returns:
        (3, 4) float64, moving from fixed.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel, so that no chance enters
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 200, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.AffineTransform(3), moments)
    method.SetInitialTransform(start, False)
    return _matrix(method.Execute(fixed, moving))


def _standardized(folder: Path) -> Array:
    image = read(folder / f"{folder.name}_t1ce.nii.gz").data.astype(np.float64)
    labels = read(folder / f"{folder.name}_seg.nii.gz").data
    inside = image[image > 0]
    z = np.clip((image - np.median(inside)) / inside.std() + _OFFSET, 0.0, _LARGEST)
    return np.where((image > 0) & (labels == 0), z, 0.0)


def _image(data: Array, origin_mm: tuple[float, float, float]) -> sitk.Image:
    """An array whose axes run R, A and S, with 1 mm voxels; ITK need not know what they are."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0), dtype=np.float32))
    image.SetOrigin(origin_mm)
    return image


def _matrix(transform: sitk.Transform) -> Array:
    at_origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    units = [transform.TransformPoint(tuple(unit)) for unit in np.eye(3)]
    return np.column_stack([np.subtract(units, at_origin).T, at_origin])


def main(arguments: list[str] | None = None) -> int:
    """Print the affine for the subjects in the folder that was named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folders = subject_folders(parser.parse_args(arguments).folder)
    if not folders:
        parser.error("no subject with a segmentation in that folder")
    mean = mean_t1ce(folders)[::-1, ::-1]  # stored LPS from (0, 239, 0), here RAS
    template = read_template(Path(str(files("nilearn.datasets"))) / "data")
    x, y, z = template.grid.ras_from_voxel[:3, 3].tolist()
    affine = register(_image(mean, (-239.0, 0.0, 0.0)), _image(template.t1, (x, y, z)))
    sys.stdout.write("\n".join(" ".join(f"{n:9.4f}" for n in row) for row in affine) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
