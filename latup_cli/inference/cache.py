"""Keep compiled networks per user; whatever is wrong with the cache, the network still runs."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

VARIABLE = "LATUP_CACHE"
"""Moves the cache to another folder, or turns it off with the value "off"."""

_OFF = "off"
_DIGEST = hashlib.sha256().digest_size
_MOST_FILES = 24


def cache_folder(environment: Mapping[str, str], system: str, home: Path) -> Path | None:
    """Where compiled networks of this user are kept; None if the user turned the cache off.

    Args:
        environment: Its LATUP_CACHE wins, then XDG_CACHE_HOME or LOCALAPPDATA.
        system: As `sys.platform`: "linux", "darwin" or "win32".
        home: The user's.
    """
    asked = environment.get(VARIABLE, "").strip()
    if asked:
        return None if asked.casefold() == _OFF else Path(asked)
    if system == "darwin":
        return home / "Library" / "Caches" / "latup"
    if system == "win32":
        local = environment.get("LOCALAPPDATA", "")
        return (Path(local) if local else home / "AppData" / "Local") / "latup" / "cache"
    moved = Path(environment.get("XDG_CACHE_HOME", ""))
    return (moved if moved.is_absolute() else home / ".cache") / "latup"


def here() -> Path | None:
    """The cache of the user who runs this process; None if it is off or there is no home."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()  # a service without a home; the environment may name a folder
    folder = cache_folder(os.environ, sys.platform, home)
    return folder if folder is not None and folder.is_absolute() else None


def key(*facts: object) -> str:
    """A file's name that changes with any of these facts."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32] + ".blob"


def load(folder: Path | None, name: str) -> bytes | None:
    """What was stored under this name; None if there is nothing, or not all of it as it was."""
    if folder is None:
        return None
    try:
        stored = (folder / name).read_bytes()
    except OSError:
        return None
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    return content if content and hashlib.sha256(content).digest() == digest else None


def store(folder: Path | None, name: str, content: bytes) -> bool:
    """Keep something under this name, for this user only, and drop what was used longest ago.

    Returns:
        Whether it was kept; a folder that is read-only or full is no error.
    """
    if folder is None:
        return False
    beside = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(hashlib.sha256(content).digest() + content)
        beside.replace(folder / name)
        _trim(folder)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return True


def drop(folder: Path | None, name: str) -> None:
    """Forget what an engine could not read."""
    if folder is not None:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _trim(folder: Path) -> None:
    """Each update of an engine or model leaves files behind that nobody reads again."""
    blobs = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime)
    for old in blobs[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
