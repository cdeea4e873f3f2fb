"""Print what removing the bias field does to Dice: bias_field.py FOLDER [--model | --weights].

FOLDER holds one folder per patient, each with a segmentation in the numbers of BraTS 2017 to 2021.
Every patient is segmented without correction and with N4 on blocks of several sizes, by the same
weights; what ships is `N4` of `latup_cli/preprocess/bias.py`. The seconds are one image's, alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from accuracy import compared, figures, segmented

from latup_cli.config import DEFAULT_MODEL, SegmentSettings
from latup_cli.preprocess import bias
from latup_cli.preprocess.bias import N4, N4Settings

SETTINGS = {
    "none": None,
    "12 mm, 20 and 10": N4Settings(block_mm=12.0, iterations=(20, 10)),
    "8 mm, 30 and 20": N4Settings(block_mm=8.0, iterations=(30, 20)),
    "4 mm, 50 and 50": N4Settings(block_mm=4.0, iterations=(50, 50)),
}


class Correction:
    """Stands in for `bias_field`, with other settings, and keeps the seconds."""

    def __init__(self, settings: N4Settings | None) -> None:
        self.settings = settings
        self.seconds: list[float] = []
        self._bias_field = bias.bias_field

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        inside: npt.NDArray[np.bool_],
        spacing_mm: tuple[float, float, float],
    ) -> npt.NDArray[np.float32]:
        """The field by other settings; 1 for none."""
        started = time.thread_time()
        if self.settings is None:
            return np.ones(image.shape, dtype=np.float32)
        field = self._bias_field(image, inside, spacing_mm, self.settings)
        self.seconds.append(time.thread_time() - started)
        return field


def main() -> None:
    """Segment every patient with every setting and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path)
    given = parser.parse_args()
    segmentation = SegmentSettings(model=given.model, weights=given.weights)
    folders = sorted(path for path in given.folder.iterdir() if path.is_dir())
    print(f"{'blocks, iterations':<24}{'WT':>8}{'TC':>8}{'ET':>8}{'CPU s an image':>16}")
    for name, settings in SETTINGS.items():
        correction = Correction(settings)
        with patch.object(bias, "bias_field", correction):
            scores = [compared(folder, segmented(folder, segmentation)) for folder in folders]
        means = figures(scores)
        dice = "".join(f"{means[region]:8.3f}" for region in ("WT", "TC", "ET"))
        seconds = f"{np.mean(correction.seconds):16.2f}" if correction.seconds else ""
        print(f"{name + (' (ships)' if settings == N4 else ''):<24}{dice}{seconds}", flush=True)


if __name__ == "__main__":
    main()
