"""Ways in which a study's files can be damaged, each drawn at random and then applied.

A damage is drawn from a generator of random numbers once, and the edit that it gives does the same
to every file it is applied to: a header that is wrong in all four files alike passes checks that
compare files. Nothing here uses the code that is tested.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fuzz_study import FIELDS, HEADER, MODALITIES

Edit = Callable[[bytes], bytes]
Random = np.random.Generator

DATATYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304)
NUMBERS = {
    "f": (0.0, -1.0, 1e-30, 1e30, 3e38, np.nan, np.inf, -np.inf, 0.5, 352.0, 1e9, 2e-3, 25.0),
    "h": (0, 1, -1, 2, 3, 5, 7, 8, 32, 40, 255, 32767, -32768),
    "i": (0, -1, 348, 540, 2**31 - 1, -(2**31)),
    "b": (0, 1, 2, 3, -1, 127, -128),
    "B": (0, 1, 32, 110, 127, 255),
}
OTHERS = (
    b"",
    b"\0",
    b"patient data\n" * 99,
    b"\x89PNG\r\n\x1a\n" + bytes(900),
    b"NRRD0004\ntype: float\n",
    bytes(128) + b"DICM" + bytes(900),
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"[" * 5000,
)


# --- edits of the decompressed file -------------------------------------------------------


def flip_header(random: Random) -> Edit:
    """Some bytes of the header become others."""
    return _overwrite(random, (0, HEADER), most=8)


def flip_data(random: Random) -> Edit:
    """Some bytes of the voxels become others."""
    return _overwrite(random, (HEADER, None), most=200)


def cut(random: Random) -> Edit:
    """The end is missing."""
    share = float(random.choice([random.random(), random.random() * 0.01, 1 - 1e-6]))
    return lambda raw: raw[: int(share * len(raw))]


def append(random: Random) -> Edit:
    """Something stands behind the end."""
    more = random.bytes(int(random.integers(1, 5000)))
    return lambda raw: raw + more


def set_field(random: Random) -> Edit:
    """One field of the header has an extreme value."""
    start, form = FIELDS[str(random.choice(list(FIELDS)))]
    count, kind = int(form[:-1] or 1), form[-1]
    choices = DATATYPES if (start, kind) == (70, "h") else NUMBERS[kind]
    values = [choices[int(random.integers(len(choices)))] for _ in range(count)]
    only = int(random.integers(count)) if random.random() < 0.6 else None

    def edit(raw: bytes) -> bytes:
        if len(raw) < HEADER:
            return raw
        now = list(struct.unpack_from(f"<{form}", raw, start))
        new = [v if only in (None, place) else now[place] for place, v in enumerate(values)]
        return _put(raw, start, struct.pack(f"<{form}", *new))

    return edit


def exchange_fields(random: Random) -> Edit:
    """Two fields of the header have each other's bytes."""
    one, other = (FIELDS[str(name)] for name in random.choice(list(FIELDS), 2, replace=False))
    length = min(struct.calcsize(f"<{one[1]}"), struct.calcsize(f"<{other[1]}"))

    def edit(raw: bytes) -> bytes:
        first, second = raw[one[0] : one[0] + length], raw[other[0] : other[0] + length]
        return _put(_put(raw, one[0], second), other[0], first)

    return edit


def extreme_affine(random: Random) -> Edit:
    """The image lies far away, is huge, tiny, flat, sheared, mirrored, or turned anyhow."""
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    spacing = 10.0 ** random.uniform(-1.6, 1.4, 3)
    affine = np.eye(4)
    affine[:3, :3] = (turn if random.random() < 0.5 else np.eye(3)) * spacing
    affine[:3, 3] = random.choice([1.0, 1e2, 1e3, 1e6, 1e30]) * random.normal(size=3)
    if random.random() < 0.2:
        affine[int(random.integers(3)), int(random.integers(4))] = random.choice(
            [0.0, np.nan, np.inf, 1e38]
        )
    if random.random() < 0.2:
        affine[:3, :3] += random.normal(scale=0.3, size=(3, 3))
    rows = affine[:3].astype("<f4").tobytes()
    codes = struct.pack("<2h", *(int(code) for code in random.choice([0, 1, 2, 4], 2)))
    return lambda raw: _put(_put(raw, 252, codes), 280, rows)


def swap_bytes(random: Random) -> Edit:
    """The header's numbers have the other byte order, the voxels perhaps too."""
    voxels_too = bool(random.random() < 0.5)

    def edit(raw: bytes) -> bytes:
        if len(raw) < HEADER:
            return raw
        for start, form in FIELDS.values():
            values = struct.unpack_from(f"<{form}", raw, start)
            raw = _put(raw, start, struct.pack(f">{form}", *values))
        if voxels_too and len(raw[HEADER:]) % 2 == 0:
            raw = raw[:HEADER] + np.frombuffer(raw[HEADER:], "<u2").byteswap().tobytes()
        return raw

    return edit


def odd_extension(random: Random) -> Edit:
    """A header extension is announced that is rubbish."""
    size = int(random.choice([0, 8, 16, 24, 1 << 20, -16, 2**31 - 1]))
    code = int(random.choice([0, 2, 4, 6, 44, -1, 2**31 - 1]))
    content = bytes(random.choice([b"[" * 64, b"{}", b'{"label_scheme": 3}', random.bytes(64)]))
    block = struct.pack("<4B2i", 1, 0, 0, 0, size, code) + content
    shift = float(random.choice([HEADER, HEADER + len(block), 1e6]))

    def edit(raw: bytes) -> bytes:
        return _put(raw[:348] + block + raw[HEADER:], 108, struct.pack("<f", shift))

    return edit


def odd_values(random: Random) -> Edit:
    """Some voxels, read as float32, are not-a-number, infinite or enormous; or all are one."""
    value = struct.pack("<f", float(random.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40])))
    share = float(random.choice([1e-4, 0.01, 1.0]))
    seed = int(random.integers(2**31))

    def edit(raw: bytes) -> bytes:
        words = np.frombuffer(raw[HEADER : len(raw) - (len(raw) - HEADER) % 4], "<u4").copy()
        chosen = np.random.default_rng(seed).random(words.size) < share
        words[chosen] = np.frombuffer(value, "<u4")[0]
        return raw[:HEADER] + words.tobytes()

    return edit


INSIDE = (flip_header, flip_data, cut, append, set_field, exchange_fields, extreme_affine,
          swap_bytes, odd_extension, odd_values)  # fmt: skip


# --- edits of the file as stored ------------------------------------------------------------


def flip_stored(random: Random) -> Edit:
    """Some bytes of the compressed file become others."""
    return _overwrite(random, (0, None), most=4)


def cut_stored(random: Random) -> Edit:
    """The end of the compressed file is missing."""
    return cut(random)


def append_stored(random: Random) -> Edit:
    """Something stands behind the compressed stream."""
    return append(random)


def replace(random: Random) -> Edit:
    """The file is something else."""
    other = OTHERS[int(random.integers(len(OTHERS)))]
    return lambda _raw: other


def compress_again(random: Random) -> Edit:
    """The file was compressed once more."""
    level = int(random.integers(1, 9))
    return lambda raw: gzip.compress(raw, level, mtime=0)


STORED = (flip_stored, cut_stored, append_stored, replace, compress_again)


# --- what happens to whole files --------------------------------------------------------------


def exchange_files(folder: Path, random: Random) -> None:
    """Two modalities have each other's names."""
    one, other = _two(folder, random)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def copy_file(folder: Path, random: Random) -> None:
    """One modality is a copy of another."""
    one, other = _two(folder, random)
    one.write_bytes(other.read_bytes())


def remove_file(folder: Path, random: Random) -> None:
    """One file is not there."""
    _two(folder, random)[0].unlink()


def directory(folder: Path, random: Random) -> None:
    """A folder stands where a file was."""
    one, _ = _two(folder, random)
    one.unlink()
    one.mkdir()


def dangling(folder: Path, random: Random) -> None:
    """A link to nowhere, or to itself, stands where a file was."""
    one, _ = _two(folder, random)
    one.unlink()
    one.symlink_to(random.choice(["nowhere", one.name]))


def rename(folder: Path, random: Random) -> None:
    """A file has another suffix."""
    one, _ = _two(folder, random)
    suffix = str(random.choice([".nii", ".nii.gz", ".hdr", ".img", ".nrrd", ".mha", ".dcm", ""]))
    one.rename(one.with_name(one.name.partition(".")[0] + suffix))


WHOLE = (exchange_files, copy_file, remove_file, directory, dangling, rename)


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to a study: the name for the table, and the files that it is done to."""

    name: str
    apply: Callable[[Path], None]


def draw(random: Random) -> tuple[Damage, ...]:
    """One to three damages."""
    return tuple(_draw_one(random) for _ in range(int(random.choice([1, 1, 2, 3]))))


def _draw_one(random: Random) -> Damage:
    sort = random.random()
    if sort < 0.1:
        whole = WHOLE[int(random.integers(len(WHOLE)))]
        return Damage(
            whole.__name__, lambda folder: whole(folder, random) if _files(folder) else None
        )
    table = INSIDE if sort < 0.8 else STORED
    damage = table[int(random.integers(len(table)))]
    edit, everywhere = damage(random), bool(random.random() < 0.4)
    chosen = int(random.integers(len(MODALITIES)))

    def apply(folder: Path) -> None:
        files = _files(folder)
        for path in files if everywhere else files[chosen % max(1, len(files)) :][:1]:
            _rewrite(path, edit, inside=table is INSIDE)

    return Damage(damage.__name__ + (" in all" if everywhere else ""), apply)


def _rewrite(path: Path, edit: Edit, *, inside: bool) -> None:
    content = path.read_bytes()
    if inside and content[:2] == b"\x1f\x8b":
        try:
            content = gzip.compress(edit(gzip.decompress(content)), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            content = edit(content)  # an earlier damage broke the compression
    else:
        content = edit(content)
    path.write_bytes(content)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _two(folder: Path, random: Random) -> tuple[Path, Path]:
    files = _files(folder)
    one, other = random.choice(len(files), 2, replace=False) if len(files) > 1 else (0, 0)
    return files[int(one)], files[int(other)]


def _overwrite(random: Random, reach: tuple[int, int | None], *, most: int) -> Edit:
    count = int(random.integers(1, most + 1))
    places, kinds = random.random(count), random.random(count)
    values = random.integers(0, 256, count)

    def edit(raw: bytes) -> bytes:
        start, stop = reach[0], min(reach[1] or len(raw), len(raw))
        if stop <= start:
            return raw
        spoiled = bytearray(raw)
        for place, kind, value in zip(places, kinds, values, strict=True):
            at = start + int(place * (stop - start))
            spoiled[at] = int(value) if kind < 0.6 else spoiled[at] ^ (1 << int(value) % 8)
        return bytes(spoiled)

    return edit


def _put(raw: bytes, start: int, content: bytes) -> bytes:
    return raw[:start] + content + raw[start + len(content) :]
