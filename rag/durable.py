"""Files that survive a kill and a power cut: synced before anything is said of them, in place whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk. Where a system cannot sync folders, they are left."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
