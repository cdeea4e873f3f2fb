"""Files that were cut short or spoiled on their way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latup_cli.errors import AppearancesError
from latup_cli.training.tables import reading

Spoil = Callable[[bytes], bytes]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) * 20 + content[middle + 20 :]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("spoil", [_cut, _flipped])
def test_damage_is_named(tmp_path: Path, save: Callable[..., None], spoil: Spoil) -> None:
    """Half a file, or one with other bytes in its middle, is the caller's error."""
    path = tmp_path / "table.npz"
    save(path, numbers=np.random.default_rng(0).normal(size=400))
    path.write_bytes(spoil(path.read_bytes()))
    read = reading(path, AppearancesError)
    with pytest.raises(AppearancesError, match=r"table\.npz"), read as spoiled:
        spoiled["numbers"]


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """The arrays come as they were saved."""
    np.savez(tmp_path / "table.npz", numbers=np.arange(3))
    with reading(tmp_path / "table.npz", AppearancesError) as content:
        assert content["numbers"].tolist() == [0, 1, 2]
