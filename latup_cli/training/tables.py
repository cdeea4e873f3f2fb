"""Read the files that `weights/measure_appearances.py` and `weights/measure_shapes.py` write."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from latup_cli.errors import TrainingError


@contextmanager
def reading(path: Path, error: Callable[[Path], TrainingError]) -> Iterator[NpzFile]:
    """The arrays of an .npz file, for as long as they are made something of.

    Raises:
        TrainingError: What `error` makes of the path, if the file is not there, cannot be read, or
            nothing can be made of what it holds.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            yield content
    except (OSError, KeyError, ValueError, EOFError, BadZipFile, zlib.error) as problem:
        raise error(path) from problem
