"""Which place holds which content: the same file may lie in several, and is stored once for them all.

A place is where a document comes from: a path, or the name of an upload. When one of several places changes or is
gone, the content stays for the others.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path


class Origins:
    """A small database. All methods block for a moment; they may be called from any thread."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(file, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        # A path of Linux may be no Unicode, hence its bytes.
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS origins (origin BLOB PRIMARY KEY, name TEXT, sha256 TEXT) WITHOUT ROWID"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS contents ON origins (sha256)")
        self._database.commit()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def put(self, *places: tuple[str, str, str]) -> None:
        """Places (origin, name, SHA-256) that hold this content now, whatever they held before."""
        rows = [(_bytes(origin), name, sha256) for origin, name, sha256 in places]
        with self._lock, self._database:
            self._database.executemany("REPLACE INTO origins VALUES (?, ?, ?)", rows)

    def places(self, sha256: str) -> list[tuple[str, str]]:
        """(origin, name) of all places that hold the content, sorted."""
        with self._lock:
            found = self._database.execute(
                "SELECT origin, name FROM origins WHERE sha256 = ? ORDER BY origin", (sha256,)
            ).fetchall()
        return [(origin.decode("utf-8", "surrogateescape"), name) for origin, name in found]

    def remove(self, origin: str) -> None:
        with self._lock, self._database:
            self._database.execute("DELETE FROM origins WHERE origin = ?", (_bytes(origin),))

    def remove_content(self, sha256: str) -> None:
        with self._lock, self._database:
            self._database.execute("DELETE FROM origins WHERE sha256 = ?", (sha256,))


def _bytes(origin: str) -> bytes:
    return origin.encode("utf-8", "surrogateescape")
