"""The files that documents were made of, each content once, named after its SHA-256.

A file is in place before the store names it, and goes after the store has forgotten it. What lies here after a kill
and belongs to no document is swept at the next start.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection
from pathlib import Path

from . import durable
from .damage import set_aside


class Originals:
    """All methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content lies, if it is kept."""
        return self.folder / sha256

    def keep(self, sha256: str, content: Path) -> None:
        """Keep the content of a file that is never written to again. On disk when it returns."""
        durable.make_folder(self.folder)
        target = self.path(sha256)
        if not target.exists() or target.stat().st_size != content.stat().st_size:
            durable.place(content, target)

    def drop(self, sha256: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path(sha256).unlink()

    def names(self) -> set[str]:
        """The SHA-256 of every content that is kept, and names of half-made files."""
        return {path.name for path in self.folder.glob("*") if path.is_file()}

    def sweep(self, named: Collection[str]) -> int:
        """Remove what none of the names stands for, and half-made files. How many were removed."""
        stray = self.names().difference(named)
        for name in stray:
            self.path(name).unlink(missing_ok=True)
        return len(stray)

    def set_aside(self, named: Collection[str]) -> str:
        """Move what none of the names stands for to a folder beside, and remove half-made files. The folder, or ""."""
        strange = [name for name in self.names().difference(named) if not name.startswith(".")]
        if not strange:
            return ""
        beside = self.folder.with_name(f"{self.folder.name}.{uuid.uuid4().hex}")
        beside.mkdir()
        for name in strange:
            self.path(name).rename(beside / name)
        return str(set_aside(beside))
