"""Identify what a result depends on: the bytes of the inputs, the model, the settings.

Hashing thousands of studies takes hours over a network, so that a file whose size, time of
writing and inode are those of the ledger is not read again. A file that was written less than
two seconds before it was hashed is always read: on coarse clocks it may have changed since
without a trace.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from latup_cli.domain.cohort import HashedFile, WrittenFile
from latup_cli.domain.study import FoundFile, StudyFiles
from latup_cli.imaging.nifti_bytes import parts

RESULTS_VERSION = 1
"""Raised whenever a new version of the program gives other results for the same inputs."""

_NOT_IN_RESULTS = frozenset({"weights", "model", "overwrite", "device", "engine", "threads"})
# The model counts by its bytes; where it runs may change on the way through a study.

_SETTLED_NS = 2_000_000_000


def settings_identity(model: Iterable[object], settings: object) -> str:
    """Identity of a model and of the settings that change results.

    A setting at its default is left out, so that one that is added to the program later does
    not make anybody's results void.

    Args:
        model: What tells the model from others: hashes of its weights, its description.
        settings: A dataclass, possibly of dataclasses.
    """
    parts_of_it = [RESULTS_VERSION, [repr(fact) for fact in model], _chosen(settings)]
    return _digest(parts_of_it)


def content_key(settings: str, files: StudyFiles, hashed: Mapping[str, HashedFile]) -> str:
    """Identity of everything that a patient's result depends on.

    Args:
        settings: From `settings_identity`.
        files: Which file is which modality.
        hashed: `path_id` to its hashed file, for every file of the study.
    """
    content = [
        [modality, found.volume, [hashed[path_id(path)].sha256 for path in files_of(found)]]
        for modality, found in sorted(files.modalities.items())
    ]
    return _digest([settings, content])


def hash_inputs(files: StudyFiles, known: Iterable[HashedFile] = ()) -> dict[str, HashedFile]:
    """Hash every file of a study; those that are known and unchanged are not read.

    A file that cannot be read has an empty hash, so that its patient counts as changed as soon
    as it can be.

    Returns:
        `path_id` to hashed file.
    """
    before = {file.path_id: file for file in known}
    paths = {path for found in files.modalities.values() for path in files_of(found)}
    return {path_id(path): _hashed(path, before.get(path_id(path))) for path in sorted(paths)}


def files_of(found: FoundFile) -> tuple[Path, ...]:
    """Every file that an image is made of."""
    return found.series or parts(found.path)


def path_id(path: Path) -> str:
    """A short hash in place of a path, which may carry a person's name."""
    absolute = os.path.abspath(path)  # noqa: PTH100  (resolve() would follow links)
    return hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in lower-case hexadecimal.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: Path, output: Path, *, with_hash: bool = False) -> WrittenFile:
    """What to remember of a result.

    Raises:
        OSError: If it is not there.
    """
    status = path.stat()
    inside = path.relative_to(output).as_posix()
    sha256 = file_sha256(path) if with_hash else ""
    return WrittenFile(inside, status.st_size, status.st_mtime_ns, sha256)


def is_intact(file: WrittenFile, output: Path) -> bool:
    """Whether a result is the one that was written.

    Its size has to be the same; if its time is another one, the mask is read and hashed.
    """
    path = output / file.path
    try:
        status = path.stat()
        if status.st_size != file.size:
            return False
        if status.st_mtime_ns == file.mtime_ns or not file.sha256:
            return True
        return file_sha256(path) == file.sha256
    except OSError:
        return False


def unchanged(files: StudyFiles, hashed: Mapping[str, HashedFile]) -> bool:
    """Whether every file is still as it was when it was hashed, by what the system says."""
    paths = {path for found in files.modalities.values() for path in files_of(found)}
    return all(_looks_like(path, hashed[path_id(path)]) for path in paths)


def _hashed(path: Path, known: HashedFile | None) -> HashedFile:
    try:
        if known and _is_settled(known) and _looks_like(path, known):
            return known
        status = path.stat()
        found = (status.st_size, status.st_mtime_ns, status.st_ino)
        return HashedFile(path_id(path), *found, time.time_ns(), file_sha256(path))
    except OSError:
        return HashedFile(path_id(path), 0, 0, 0, 0, "")


def _is_settled(file: HashedFile) -> bool:
    return file.hashed_ns - file.mtime_ns > _SETTLED_NS


def _looks_like(path: Path, known: HashedFile) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    found = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found == (known.size, known.mtime_ns, known.inode)


def _chosen(settings: object) -> dict[str, object]:
    """The settings that change results and are not at their defaults."""
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"settings are a dataclass, not {settings!r}")
    defaults = type(settings)()
    chosen: dict[str, object] = {}
    for field in fields(settings):
        value, default = getattr(settings, field.name), getattr(defaults, field.name)
        if field.name not in _NOT_IN_RESULTS and value != default:
            chosen[field.name] = _chosen(value) if is_dataclass(value) else repr(value)
    return {name: value for name, value in chosen.items() if value != {}}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
