"""Random grids and arrays for laws: oblique, anisotropic, and of three different sizes."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

from latup_cli.domain.grid import Grid, Shape
from latup_cli.domain.orientation import axis_codes
from latup_cli.domain.volume import Volume

LAW = settings(max_examples=30, deadline=None, derandomize=True, database=None)
"""The same thirty examples in every run."""

AXIS_ORDERS = tuple(
    "".join(letters) for axes in permutations(("LR", "PA", "IS")) for letters in product(*axes)
)
"""All 48 ways in which i, j, k can point along the body's axes, such as "LPS"."""

SEEDS = st.integers(0, 10_000)


def rotation(seed: int) -> npt.NDArray[np.float64]:
    """(3, 3) orthogonal matrix, a mirror image for half of the seeds."""
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return np.asarray(axes, dtype=np.float64)


def tilt(degrees: float) -> npt.NDArray[np.float64]:
    """(3, 3) rotation by one angle about each axis in turn, as of a head not quite straight."""
    angle = np.deg2rad(degrees)
    turned = np.eye(3)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        turn = np.eye(3)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        turned = turned @ turn
    return turned


def make_grid(
    shape: Shape,
    spacing_mm: tuple[float, float, float],
    axes: npt.NDArray[np.float64],
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Grid:
    """A grid from its parts; `axes` are the columns that i, j, k point along."""
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = origin_mm
    return Grid(shape, affine)


def shapes(smallest: int = 2, largest: int = 7) -> st.SearchStrategy[Shape]:
    """Voxels along three axes, no two alike."""
    sizes = st.lists(st.integers(smallest, largest), min_size=3, max_size=3, unique=True)
    return sizes.map(lambda s: (s[0], s[1], s[2]))


def triples(low: float, high: float) -> st.SearchStrategy[tuple[float, float, float]]:
    """Three numbers of a range."""
    return st.tuples(*[st.floats(low, high, allow_nan=False)] * 3)


@st.composite
def grids(draw: st.DrawFn, smallest: int = 2, largest: int = 7) -> Grid:
    """Grids at any angle, handedness, spacing and place."""
    axes = rotation(draw(SEEDS))
    return make_grid(
        draw(shapes(smallest, largest)),
        draw(triples(0.3, 6.0)),
        axes,
        draw(triples(-300.0, 300.0)),
    )


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Random voxels on random grids."""
    grid = draw(grids())
    rng = np.random.default_rng(draw(SEEDS))
    return Volume(rng.normal(size=grid.shape).astype(np.float32), grid)


@st.composite
def voxels_of(draw: st.DrawFn, shape: Shape) -> Shape:
    """An index into a shape."""
    i, j, k = (draw(st.integers(0, n - 1)) for n in shape)
    return i, j, k


def world(grid: Grid, voxel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """RAS+ mm of one (3,) or many (n, 3) voxel indices."""
    matrix = grid.ras_from_voxel
    return np.asarray(np.asarray(voxel) @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)


def stored_as(volume: Volume, codes: str) -> Volume:
    """The same image as another scanner would store it, by plain index arithmetic.

    Independent of `Reorientation`: every voxel is looked up by where it lies.
    """
    have = axis_codes(volume.grid)
    pairs = ("LR", "PA", "IS")
    kind = {letter: pair for pair in pairs for letter in pair}
    order = [next(a for a, h in enumerate(have) if kind[h] == kind[c]) for c in codes]
    old_from_new = np.zeros((4, 4))
    old_from_new[3, 3] = 1.0
    for new, (old, code) in enumerate(zip(order, codes, strict=True)):
        mirrored = have[old] != code
        old_from_new[old, new] = -1.0 if mirrored else 1.0
        old_from_new[old, 3] = volume.grid.shape[old] - 1.0 if mirrored else 0.0
    i, j, k = (volume.grid.shape[old] for old in order)
    index = np.indices((i, j, k)).reshape(3, -1)
    source = (old_from_new[:3, :3] @ index + old_from_new[:3, 3:]).round().astype(int)
    data = volume.data[tuple(source)].reshape(i, j, k)
    return Volume(data, Grid((i, j, k), volume.grid.ras_from_voxel @ old_from_new))
