"""Cut tumor shapes out of label maps, for `latup train --shapes`.

Usage: python weights/measure_shapes.py MAPS.npz PATIENTS SHAPES.npz

MAPS.npz holds `seg` (n, i, j, k) in the numbers of BraTS 2017 to 2021, all of one atlas and
resized to one size, stored from right to left, front to back and down to up as BraTS does.
PATIENTS is a folder of patients in that atlas, whose brains say where in a map the brain lies.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from latup_cli.domain.grid import Box
from latup_cli.labels import MODALITIES, SCHEMES
from latup_cli.training.appearance import TISSUES
from latup_cli.training.simulate import Shapes
from latup_cli.workflows.labeled import find_labeled


def brain_share(folder: Path) -> npt.NDArray[np.float64]:
    """(2, 3): where the box of the mean brain starts and stops, as shares of the image."""
    boxes = []
    for patient in find_labeled([folder]):
        image = np.asanyarray(nib.load(patient.study.modalities[MODALITIES[0]].path).dataobj)
        box = Box.around(image != 0)
        boxes.append(np.array([box.start, box.stop]) / image.shape)
    share: npt.NDArray[np.float64] = np.mean(boxes, axis=0)
    return share


def main() -> None:
    """Cut out and write."""
    if len(sys.argv) != 4:  # noqa: PLR2004  (the script, and three more)
        sys.exit(__doc__)
    maps, patients, written = map(Path, sys.argv[1:])
    with np.load(maps, allow_pickle=False) as content:
        labels = content["seg"]
    first, last = np.rint(brain_share(patients) * labels.shape[1:]).astype(int)
    cut = labels[(slice(None), *map(slice, first, last))]
    layer_of = np.zeros(256, dtype=np.uint8)
    for layer, tissue in enumerate(TISSUES, start=1):
        layer_of[SCHEMES["brats2021"].numbers[tissue]] = layer
    shapes = Shapes.of(layer_of[brain[::-1, ::-1]] for brain in cut)  # from left, back and down
    shapes.save(written)
    print(f"{len(shapes.tumors)} shapes in a brain of {' x '.join(map(str, cut.shape[1:]))} voxels")


if __name__ == "__main__":
    main()
