"""Files that survive a kill and a power cut: synced before anything is said of them, in place whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path

# Seconds after which a half-made file belongs to nobody.
OLD = 3600.0


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk. Where a system cannot sync folders, they are left."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make the folder and those above it, where they are missing; their names are on the disk when it returns."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def write(path: Path, content: bytes) -> None:
    """Make the file hold this, synced: whole or not at all."""
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Put a finished file in its place, synced, over what was there. Both are in one folder."""
    sync(source)
    os.replace(source, target)
    sync(target.parent)


def sweep(folder: Path) -> None:
    """Remove what a kill has left of `write`, unless somebody may be at it."""
    for path in folder.glob("." + "[0-9a-f]" * 32):
        with contextlib.suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > OLD:
                path.unlink()


def place(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds, synced. A link where the file system has them, else a copy.

    Neither file may be written to afterwards.
    """
    temporary = target.with_name(f".{uuid.uuid4().hex}")
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        sync(temporary)
        os.replace(temporary, target)
    finally:
        # Also where both were links to one file: renaming one over the other then does nothing.
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    sync(target.parent)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bytes_in(folder: Path) -> int:
    """Bytes of all files below the folder; what vanishes meanwhile is not counted. Blocks."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total
