"""What a power cut leaves of a table: found before it is opened, and taken back to the last whole version.

A version is one file that names the others. All of them are written once; a file that the system had not brought to
the disk is missing, cut short or holds zeros. A version that is so itself, or names such a data file, is removed. An
index is no reason to go back: it is made anew.
"""

from __future__ import annotations

import logging
import re
import uuid
from pathlib import Path

MAGIC = {".lance": b"LANC", ".idx": b"LANC", ".manifest": b"LANC", ".arrow": b"ARROW1"}
BLOCK = 4096
# Random names, as a version holds them.
_DATA_FILE = re.compile(rb"[01]{24}[0-9a-f]{26}\.lance")

log = logging.getLogger(__name__)


def repair(folder: Path) -> list[str]:
    """Remove the newest versions while they are damaged, and what was never finished; the versions' files. Blocks.

    Leaves everything as it is if no version is whole: see `is_lost`.
    """
    parts = [file for part in ("data", "_deletions") for file in _files(folder / part)]
    for file in parts:
        # What was being written: no version names it.
        if file.name.startswith("."):
            file.unlink()
    damaged = [file.name for file in parts if file.exists() and not is_whole(file)]
    removed: list[Path] = []
    for manifest in _manifests(folder):
        if is_whole(manifest) and not _names(manifest, folder, damaged):
            for file in removed:
                log.warning("version %s was not whole; the one before it is used", file)
                file.unlink()
            if removed:
                (folder / "_versions" / "latest_version_hint.json").unlink(missing_ok=True)
            return [file.name for file in removed]
        removed.append(manifest)
    return []


def is_made(folder: Path) -> bool:
    """Whether it has a version: its making, of an empty table, ends with the first one. Blocks."""
    return bool(_manifests(folder))


def is_lost(folder: Path) -> bool:
    """Whether there was a version, but after a `repair` the newest is still not whole, and so none is. Blocks."""
    manifests = _manifests(folder)
    if not manifests:
        return bool(_files(folder / "data"))
    damaged = [file.name for part in ("data", "_deletions") for file in _files(folder / part) if not is_whole(file)]
    return not is_whole(manifests[0]) or _names(manifests[0], folder, damaged)


def damaged_indexes(folder: Path) -> set[str]:
    """The UUIDs of the indexes of the newest version whose files are missing or not whole. Blocks."""
    manifests = _manifests(folder)
    if not manifests:
        return set()
    newest = manifests[0].read_bytes()
    indexes = [path for path in _files(folder / "_indices") if uuid.UUID(path.name).bytes in newest]
    return {path.name for path in indexes if not all(map(is_whole, _files(path)))}


def is_whole(file: Path) -> bool:
    """Whether the file has its end, and no block of a small one was lost."""
    if file.is_dir():
        return True
    magic, size = MAGIC.get(file.suffix, b""), file.stat().st_size
    with file.open("rb") as opened:
        if file.suffix == ".manifest":
            data = opened.read()
            blocks = [data[start : start + BLOCK] for start in range(0, size, BLOCK)]
            return data.endswith(magic) and all(any(block) for block in blocks)
        opened.seek(max(0, size - BLOCK))
        tail = opened.read()
    return any(tail) and tail.endswith(magic)


def _manifests(folder: Path) -> list[Path]:
    """The newest first: their names count downwards."""
    return sorted(file for file in _files(folder / "_versions") if file.suffix == ".manifest")


def _names(manifest: Path, folder: Path, damaged: list[str]) -> bool:
    """Whether the version needs a file that is damaged or missing."""
    data = manifest.read_bytes()
    # Its last part lists what the version holds; the parts before it may name what it no longer holds.
    data = data[int.from_bytes(data[-16:-8], "little") :]
    files = {match.group().decode() for match in _DATA_FILE.finditer(data)}
    missing = any(not (folder / "data" / name).exists() for name in files)
    return missing or any(name in files or _deletion(name) in data for name in damaged)


def _deletion(name: str) -> bytes:
    """What a version holds of a deletion file: its number, which is in its name. Of a data file: nothing like it."""
    return b"\0" * BLOCK if name.endswith(".lance") else _varint(int(name.split(".")[0].split("-")[2]))


def _varint(number: int) -> bytes:
    """As protocol buffers write an integer."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
