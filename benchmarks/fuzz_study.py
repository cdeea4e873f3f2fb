"""Good small studies for the fuzz script to damage, written without the code that is tested."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

MODALITIES = ("t1", "t1ce", "t2", "flair")
HEADER = 352

FIELDS = {
    # NIfTI-1: name to where it starts and how it is stored
    "sizeof_hdr": (0, "i"),
    "dim": (40, "8h"),
    "intent_code": (68, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "b"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern": (256, "3f"),
    "qoffset": (268, "3f"),
    "srow_x": (280, "4f"),
    "srow_y": (296, "4f"),
    "srow_z": (312, "4f"),
    "magic": (344, "4B"),
    "extension": (348, "4B"),
}


def write_good_study(folder: Path, random: np.random.Generator) -> Mapping[str, str]:
    """Four images, or one 4-D file, of a ball of 27 mm with a tumor, in a random way to store.

    Returns:
        Facts for the record: how the study is stored.
    """
    kind = str(random.choice([".nii.gz", ".nii.gz", ".nii", "pair", "4-D"]))
    number = str(random.choice(["<f4", "<i2", "u1", "<f8"]))
    stack = _ball().astype(number)
    folder.mkdir(parents=True)
    if kind == "4-D":
        _write(folder / "case.nii.gz", np.moveaxis(stack, 0, -1))
    else:
        for modality, data in zip(MODALITIES, stack, strict=True):
            _write(folder / f"case_{modality}{'.hdr' if kind == 'pair' else kind}", data)
    return {"stored as": kind, "number": number}


def _write(path: Path, data: np.ndarray) -> None:
    header = bytearray(HEADER)
    pair = path.suffix == ".hdr"
    code = {"f4": 16, "i2": 4, "u1": 2, "f8": 64}[data.dtype.str[1:]]
    for name, values in (
        ("sizeof_hdr", (348,)),
        ("dim", (data.ndim, *data.shape, *[1] * (7 - data.ndim))),
        ("datatype", (code,)),
        ("bitpix", (8 * data.dtype.itemsize,)),
        ("pixdim", (1.0,) * 8),
        ("vox_offset", (0.0 if pair else float(HEADER),)),
        ("scl_slope", (1.0,)),
        ("xyzt_units", (2,)),
        ("sform_code", (1,)),
        ("srow_x", (-1.0, 0.0, 0.0, 20.0)),
        ("srow_y", (0.0, -1.0, 0.0, 18.0)),
        ("srow_z", (0.0, 0.0, 1.0, -19.0)),
        ("magic", tuple(b"ni1\0" if pair else b"n+1\0")),
    ):
        start, form = FIELDS[name]
        struct.pack_into(f"<{form}", header, start, *values)
    voxels = data.tobytes(order="F")
    if pair:
        path.write_bytes(header)
        path.with_suffix(".img").write_bytes(voxels)
        return
    raw = bytes(header) + voxels
    path.write_bytes(gzip.compress(raw, 1, mtime=0) if path.suffix == ".gz" else raw)


def _ball() -> np.ndarray:
    """(4, 36, 34, 38) float32: a brain, and in it a tumor that is bright on FLAIR."""
    shape = (36, 34, 38)
    center = [(n - 1) / 2 for n in shape]
    grid = zip(np.indices(shape), center, strict=True)
    away = np.sqrt(sum((axis - c) ** 2 for axis, c in grid))
    texture = np.random.default_rng(0).normal(1.0, 0.1, (4, *shape)).clip(0.5, 1.5)
    levels = np.array([80, 100, 140, 60])[:, None, None, None] * texture
    levels[3, away < 6] *= 2.5
    return np.where(away < 13.5, levels.round(), 0).clip(0, 255).astype(np.float32)
