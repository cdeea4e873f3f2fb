"""Read four files the way most scripts do, and write a mask: what all peers share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch

Array: TypeAlias = npt.NDArray[np.float32]
Segment: TypeAlias = Callable[[Array], npt.NDArray[np.uint8]]
"""(4, i, j, k) normalized intensities to (i, j, k) labels."""

_BEYOND_CENTER = 0.5


@dataclass(frozen=True, slots=True)
class Given:
    """What a peer is told: the four files, where the mask goes, and its threads."""

    files: list[Path]
    mask: Path
    threads: int


def given() -> Given:
    """The command line of every peer: T1 T1CE T2 FLAIR MASK --threads N."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, nargs=4)
    parser.add_argument("mask", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    found = parser.parse_args()
    if found.threads:
        torch.set_num_threads(found.threads)
    return Given(found.files, found.mask, found.threads)


def run(segment: Segment) -> None:
    """Read, normalize each channel over its non-zero voxels, segment, write."""
    told = given()
    images = [nib.Nifti1Image.from_filename(path) for path in told.files]
    channels = np.stack([normalized(image.get_fdata(dtype=np.float32)) for image in images])
    with torch.inference_mode():
        mask = segment(channels)
    nib.save(nib.Nifti1Image(mask, images[0].affine), told.mask)


def normalized(image: Array) -> Array:
    """Mean 0 and standard deviation 1 over the voxels that are not 0."""
    inside = image != 0
    result = np.zeros_like(image)
    result[inside] = (image[inside] - image[inside].mean()) / image[inside].std()
    return result


def brain_box(channels: Array) -> tuple[slice, ...]:
    """The smallest box around what is not 0 in any channel."""
    found = np.nonzero(channels.any(axis=0))
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)


def from_regions(scores: torch.Tensor) -> npt.NDArray[np.uint8]:
    """(3, i, j, k) logits of TC, WT, ET to BraTS labels."""
    core, whole, enhancing = (torch.sigmoid(scores) > _BEYOND_CENTER).numpy()
    labels = np.where(whole, 2, 0)
    labels[core] = 1
    labels[enhancing] = 4
    return labels.astype(np.uint8)
