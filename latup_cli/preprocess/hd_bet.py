"""Have the brain found by HD-BET, where the user has installed it; a program of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import Mask, Volume
from latup_cli.errors import ProgramFailedError, ProgramMissingError
from latup_cli.imaging.nifti import read_labels, write_volume

PROGRAM = "hd-bet"
INSTALL = 'pip install "hd-bet>=2" (it brings torch, and fetches its weights when first run)'

_MASK_ENDS = "_bet.nii.gz"
_SCANNER = SpatialCodes(1, 1)


def strip_with_hd_bet(image: Volume, *, device: str = "cpu") -> Mask:
    """The brain in a head according to HD-BET 2, run on a copy of the image.

    Args:
        image: A head, T1-weighted with contrast agent best; its place goes along.
        device: "cpu" or "cuda". On the CPU, HD-BET looks once and not at mirror images too.

    Returns:
        On the grid of the image.

    Raises:
        ProgramMissingError: If HD-BET is not installed.
        ProgramFailedError: If it fails, or leaves no mask of this image.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ProgramMissingError("HD-BET", INSTALL)
    with tempfile.TemporaryDirectory(prefix="latup-") as folder:
        head, brain = Path(folder) / "head.nii.gz", Path(folder) / "brain.nii.gz"
        write_volume(head, image.data, image.grid, _SCANNER)
        command = command_line(program, head, brain, device)
        _run(command)
        return _mask_of(image, brain, command)


def command_line(program: str, head: Path, brain: Path, device: str) -> list[str]:
    """What is run: the mask alone is kept."""
    options = ["-device", device, "--save_bet_mask", "--no_bet_image"]
    if device == "cpu":
        options.append("--disable_tta")
    return [program, "-i", str(head), "-o", str(brain), *options]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  (the user's own program, with our arguments)
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise _failed(error.strerror or str(error), command) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise _failed(f"exit code {done.returncode}, {said[-1].rstrip('.')}", command)


def _mask_of(image: Volume, brain: Path, command: Sequence[str]) -> Mask:
    path = brain.with_name(brain.name.removesuffix(".nii.gz") + _MASK_ENDS)
    if not path.is_file():
        raise _failed("it ended well and left no mask", command)
    found = read_labels(path)
    if not image.grid.matches(found.grid, tolerance_mm=0.1):
        raise _failed("its mask lies on another grid than the image", command)
    return Mask(np.asarray(found.data != 0), image.grid)


def _failed(problem: str, command: Sequence[str]) -> ProgramFailedError:
    options = " ".join(command[5:])
    return ProgramFailedError(
        "HD-BET", problem, f"{PROGRAM} -i HEAD.nii.gz -o OUT.nii.gz {options}"
    )
