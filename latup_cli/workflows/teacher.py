"""A trained model as the teacher of another one: its probabilities become part of the targets.

After Hinton et al. 2015 (arXiv:1503.02531): what a large network is unsure of says more about a
voxel than the expert's label alone, and a small network comes nearer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from latup_cli.config import FLOAT32, Device, InferenceSettings
from latup_cli.domain.grid import Grid
from latup_cli.domain.model import ModelSpec
from latup_cli.domain.study import PreparedStudy
from latup_cli.inference.decode import region_probabilities
from latup_cli.inference.models import load_model
from latup_cli.inference.windows import Predict
from latup_cli.preprocess.resample import resample
from latup_cli.workflows.engines import open_engine
from latup_cli.workflows.predict import look_at


@dataclass(frozen=True, slots=True)
class Teacher:
    """What teaches, and how much of a target is its answer.

    Attributes:
        spec: The teaching model's description.
        predict: Its network, ready for its windows.
        share: Of each target that is its probability; the rest is the expert's.
        tta: Whether it looks at 8 mirrored views and says their mean, as `segment --tta` does: an
            answer that is better than the same network's at once, so that it may teach itself.
    """

    spec: ModelSpec
    predict: Predict
    share: float
    tta: bool = False

    @classmethod
    def load(cls, directory: Path, share: float, device: Device, *, tta: bool = False) -> Self:
        """Open a model's directory.

        Raises:
            ModelError: If it holds no model, or another one than its description says.
            DeviceError: If the device that was asked for cannot be used.
        """
        model = load_model(directory)
        opened = open_engine(model.graph, InferenceSettings(device=device, precision=FLOAT32))
        return cls(model.spec, opened.predict, share, tta)

    @property
    def identity(self) -> tuple[str | float, ...]:
        """What its part of a target depends on, beside the study."""
        return (self.spec.sha256, self.share, *(("tta",) if self.tta else ()))

    def blended(
        self, shares: npt.NDArray[np.float32], grid: Grid, seen: PreparedStudy
    ) -> npt.NDArray[np.float32]:
        """The experts' shares of regions with the teacher's probabilities.

        Args:
            shares: (3, i, j, k) float32 in [0, 1]: WT, TC and ET on `grid`.
            grid: That of the network which learns.
            seen: The same study as the teacher sees it.

        Returns:
            (3, i, j, k) float32 in [0, 1].
        """
        regions = region_probabilities(look_at(seen, self.spec, self.predict, tta=self.tta).classes)
        if not seen.grid.matches(grid):
            regions = np.stack([resample(region, seen.grid, grid) for region in regions])
        blended: npt.NDArray[np.float32] = shares + np.float32(self.share) * (regions - shares)
        return blended
