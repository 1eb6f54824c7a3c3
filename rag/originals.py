"""The files that documents were made of, each content once, named after its SHA-256.

A file is in place before the store names it, and goes after the store has forgotten it. What lies here after a kill
and belongs to no document is swept at the next start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from . import durable


class Originals:
    """All methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content lies, if it is kept."""
        return self.folder / sha256

    def keep(self, sha256: str, content: Path) -> None:
        """Keep the content of a file that is never written to again. On disk when it returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.path(sha256)
        if not target.exists() or target.stat().st_size != content.stat().st_size:
            durable.place(content, target)

    def drop(self, sha256: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path(sha256).unlink()

    def sweep(self, named: Collection[str]) -> int:
        """Remove what none of the names stands for, and half-made files. How many were removed."""
        stray = [path for path in self.folder.glob("*") if path.name not in named and path.is_file()]
        for path in stray:
            path.unlink(missing_ok=True)
        return len(stray)
