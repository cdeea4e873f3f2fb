"""How one image lies relative to another: rigid motions in RAS+ mm, and what found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Affine
from latup_cli.errors import GeometryError

Points = npt.NDArray[np.float64]
"""(..., 3) places in RAS+ mm."""

_RIGID = 1e-6
_AFFINE_SHAPE = (4, 4)


@dataclass(frozen=True, slots=True, eq=False)
class RigidTransform:
    """A rotation and a translation, from places in one image to places in another.

    Attributes:
        moving_from_fixed: (4, 4) float64, RAS+ mm to RAS+ mm. Read-only copy.

    Raises:
        GeometryError: If the matrix is not a proper rotation with a translation.
    """

    moving_from_fixed: Affine

    def __post_init__(self) -> None:
        matrix = np.array(self.moving_from_fixed, dtype=np.float64)
        if matrix.shape != _AFFINE_SHAPE:
            raise GeometryError(f"A rigid transform must be 4 by 4, not {matrix.shape}.")
        if not _is_rigid(matrix):
            raise GeometryError("The transform is not a rotation with a translation.")
        matrix.flags.writeable = False
        object.__setattr__(self, "moving_from_fixed", matrix)

    @classmethod
    def identity(cls) -> Self:
        """No motion."""
        return cls(np.eye(4))

    @classmethod
    def about(cls, center_ras_mm: Points, rotation: Affine, shift_mm: Points) -> Self:
        """Turn about a point, then shift.

        Args:
            center_ras_mm: (3,) the point, which moves by the shift alone.
            rotation: (3, 3) proper rotation.
            shift_mm: (3,) in mm.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = center_ras_mm - rotation @ center_ras_mm + shift_mm
        return cls(matrix)

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation about its own axis, 0 to 180 degrees."""
        rotation = self.moving_from_fixed[:3, :3]
        # the arc tangent stays exact near 0 and 180 degrees, where the trace alone does not
        odd = rotation - rotation.T
        sine = float(np.linalg.norm([odd[2, 1], odd[0, 2], odd[1, 0]])) / 2.0
        cosine = (float(np.trace(rotation)) - 1.0) / 2.0
        return float(np.degrees(np.arctan2(sine, cosine)))

    def translation_mm(self, center_ras_mm: Points) -> float:
        """How far the point (3,) goes: at the brain's center, the size of the head's shift."""
        return float(np.linalg.norm(self.apply(center_ras_mm) - center_ras_mm))

    def apply(self, points: Points) -> Points:
        """Where places (..., 3) in the fixed image lie in the moving one."""
        moved: Points = points @ self.moving_from_fixed[:3, :3].T + self.moving_from_fixed[:3, 3]
        return moved

    def inverse(self) -> RigidTransform:
        """The way back, from the moving image to the fixed one."""
        back = np.eye(4)
        back[:3, :3] = self.moving_from_fixed[:3, :3].T
        back[:3, 3] = -back[:3, :3] @ self.moving_from_fixed[:3, 3]
        return RigidTransform(back)

    def __matmul__(self, first: RigidTransform) -> RigidTransform:
        """One transform after another: `b_from_a @ a_from_fixed` leads from fixed to b."""
        return RigidTransform(self.moving_from_fixed @ first.moving_from_fixed)

    def mean_displacement_mm(self, other: RigidTransform, points: Points) -> float:
        """How far apart two transforms take places (n, 3), on average."""
        gap = self.apply(points) - other.apply(points)
        return float(np.linalg.norm(gap, axis=-1).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """How one modality was brought onto the reference, and the numbers to judge it by.

    Attributes:
        modality: Which one was moved.
        transform: From places in the reference to places in the modality.
        mutual_information_before: By the headers alone; unitless, 0 (independent) to 1 (each
            intensity determines the other), see `preprocess.register.mutual_information`.
        mutual_information_after: The same after registration.
        rotation_deg: Angle of the motion.
        translation_mm: Motion at the center of the reference's head.
        start: What the search set out from: "headers", "centers" or "search".
        seconds: How long it took.
        numbers: Other measurements by name, units in the names.
    """

    modality: str
    transform: RigidTransform
    mutual_information_before: float
    mutual_information_after: float
    rotation_deg: float
    translation_mm: float
    start: str
    seconds: float
    numbers: Mapping[str, float] = field(default_factory=dict)


def _is_rigid(matrix: Affine) -> bool:
    """Whether a finite (4, 4) keeps distances and handedness."""
    rotation = matrix[:3, :3]
    return bool(
        np.isfinite(matrix).all()
        and np.allclose(rotation.T @ rotation, np.eye(3), rtol=0.0, atol=_RIGID)
        and np.linalg.det(rotation) > 0.0
        and np.array_equal(matrix[3], (0.0, 0.0, 0.0, 1.0))
    )
