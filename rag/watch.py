"""Watched folders: what is new, changed or deleted in them follows within seconds.

The folders are looked through again and again instead of listening to the system's own notices: that works the same on
every system and on network drives, which send none, and needs no library. A look costs a few microseconds a file; the
pause grows with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import durable, folders
from .damage import Damage
from .errors import RagError
from .ingest import Ingester
from .sqlite import open_database

# Jobs that wait at most, so that the copies of a large folder do not all lie on the disk at once.
AHEAD = 256
# Looking takes at most this share of the time.
SHARE = 0.1

log = logging.getLogger(__name__)

Signature = tuple[int, int]
NEVER: Signature = (-1, -1)


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was taken: its signature (time of the last change in ns, bytes) and content."""

    signature: Signature
    sha256: str


class Memory:
    """What was taken from the watched folders, kept across restarts. All methods block for a moment.

    `aside`: where a damaged file was moved to; all files are then taken anew, which changes nothing.
    """

    def __init__(self, file: Path) -> None:
        # What a power cut takes from it is found anew.
        self._database, self.aside = open_database(file, "NORMAL")
        for table in (
            "files (path BLOB PRIMARY KEY, changed INTEGER, bytes INTEGER, sha256 TEXT)",
            "roots (path BLOB PRIMARY KEY, device TEXT)",
        ):
            self._database.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
        self._database.commit()

    def close(self) -> None:
        self._database.close()

    def files(self) -> dict[str, Known]:
        rows = self._database.execute("SELECT path, changed, bytes, sha256 FROM files")
        return {os.fsdecode(path): Known((changed, size), sha256) for path, changed, size, sha256 in rows}

    def put(self, path: str, known: Known) -> None:
        with self._database:
            row = (os.fsencode(path), *known.signature, known.sha256)
            self._database.execute("REPLACE INTO files VALUES (?, ?, ?, ?)", row)

    def remove(self, path: str) -> None:
        with self._database:
            self._database.execute("DELETE FROM files WHERE path = ?", (os.fsencode(path),))

    def device(self, root: str) -> str | None:
        """The device that the folder lay on when it last held files."""
        row = self._database.execute("SELECT device FROM roots WHERE path = ?", (os.fsencode(root),)).fetchone()
        return str(row[0]) if row else None

    def put_device(self, root: str, device: str) -> None:
        with self._database:
            self._database.execute("REPLACE INTO roots VALUES (?, ?)", (os.fsencode(root), device))


class Watcher:
    """Looks through the folders every `seconds`. A file is taken, or given up, when two looks agree about it."""

    def __init__(
        self, ingester: Ingester, roots: Sequence[Path], memory: Path, seconds: float, without: Sequence[Path] = ()
    ) -> None:
        self._ingester = ingester
        self._roots = roots
        self._seconds = seconds
        self._without = without
        self._memory = Memory(memory)
        self.damage = [Damage("watched", str(aside))] if (aside := self._memory.aside) else []
        self._known: dict[str, Known] = {}
        self._seen: dict[str, Signature | None] = {}
        self._told: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._known = await asyncio.to_thread(self._memory.files)
        self._task = asyncio.create_task(self._watch(), name="watch")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._memory.close()

    async def _watch(self) -> None:
        while True:
            begun = time.monotonic()
            for root in self._roots:
                try:
                    await self.look(root)
                except Exception:
                    log.exception("watching %s failed", root)
            took = time.monotonic() - begun
            await asyncio.sleep(max(self._seconds, took / SHARE - took))

    async def look(self, root: Path) -> None:
        """Look through one folder, and take or give up what has not changed since the last look."""
        differences = await asyncio.to_thread(self._compare, root)
        if differences is None:
            self._tell_once(root, "cannot be read: its documents stay as they are")
            return
        self._told.discard(str(root))
        changed, missing = differences
        seen = {path: self._seen.get(path, NEVER) for path in (*changed, *missing)}
        others = {path: now for path, now in self._seen.items() if not _is_below(path, root)}
        self._seen = {**others, **changed, **missing}
        for path, signature in changed.items():
            if seen[path] == signature and self._ingester.has_room(AHEAD):
                await self._take(root, path, signature)
        for path in missing:
            if seen[path] is None:
                await self._ingester.forget(path)
                await asyncio.to_thread(self._memory.remove, path)
                del self._known[path]

    def _compare(self, root: Path) -> tuple[dict[str, Signature], dict[str, None]] | None:
        """(files that are new or changed, files that are gone); None if the folder cannot be read."""
        found = folders.scan(root, self._without)
        if not self._is_there(root, found):
            return None
        changed = {
            path: signature
            for path, signature in found.files.items()
            if path not in self._known or self._known[path].signature != signature
        }
        missing = [path for path in self._known if path not in found.files and _is_below(path, root)]
        return changed, {path: None for path in missing if found.knows(path)}

    def _is_there(self, root: Path, found: folders.Scan) -> bool:
        """Whether the folder can be trusted. Where a drive is not mounted, there often is an empty folder instead."""
        if str(root) in found.unreadable:
            return False
        try:
            device = str(root.stat().st_dev)
        except OSError:
            return False
        if found.files:
            if self._memory.device(str(root)) != device:
                self._memory.put_device(str(root), device)
            return True
        return self._memory.device(str(root)) in (None, device)

    async def _take(self, root: Path, path: str, signature: Signature) -> None:
        known = self._known.get(path)
        try:
            sha256 = await asyncio.to_thread(durable.sha256_of, Path(path))
            if known is None or known.sha256 != sha256:
                name = folders.source_of(Path(path), root)
                await self._ingester.add_file(Path(path), name, origin=path)
        except (OSError, RagError) as error:
            if isinstance(error, OSError) or error.code == "DOC-008":
                # It may be locked for the moment: looked at again.
                self._tell_once(path, "cannot be read")
                return
            log.warning("%s", error.text("en").message)
            sha256 = ""
        self._told.discard(path)
        self._known[path] = Known(signature, sha256)
        await asyncio.to_thread(self._memory.put, path, self._known[path])

    def _tell_once(self, path: str | Path, what: str) -> None:
        if str(path) not in self._told:
            self._told.add(str(path))
            log.warning("%s %s", path, what)


def _is_below(path: str, root: Path) -> bool:
    return path.startswith(os.path.join(root, ""))
