"""Which place holds which content: the same file may lie in several, and is stored once for them all.

A place is where a document comes from: a path, or the name of an upload. When one of several places changes or is
gone, the content stays for the others.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from .sqlite import open_database


class Origins:
    """A small database. All methods block for a moment; they may be called from any thread.

    `aside`: where a damaged file was moved to; the places that it held are then no longer known.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._database, self.aside = open_database(file, "FULL")
        # A path of Linux may be no Unicode, hence its bytes.
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS origins (origin BLOB PRIMARY KEY, name TEXT, sha256 TEXT) WITHOUT ROWID"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS contents ON origins (sha256)")
        self._database.execute("CREATE TABLE IF NOT EXISTS deleted (document TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.commit()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def put(self, *places: tuple[str, str, str], documents: Sequence[str] = ()) -> None:
        """Places (origin, name, SHA-256) that hold this content now, whatever they held before. The documents of these
        ids are no longer deleted ones."""
        rows = [(_bytes(origin), name, sha256) for origin, name, sha256 in places]
        with self._lock, self._database:
            self._database.executemany("REPLACE INTO origins VALUES (?, ?, ?)", rows)
            self._database.executemany("DELETE FROM deleted WHERE document = ?", [(id,) for id in documents])

    def places(self, sha256: str) -> list[tuple[str, str]]:
        """(origin, name) of all places that hold the content, sorted."""
        with self._lock:
            found = self._database.execute(
                "SELECT origin, name FROM origins WHERE sha256 = ? ORDER BY origin", (sha256,)
            ).fetchall()
        return [(origin.decode("utf-8", "surrogateescape"), name) for origin, name in found]

    def note_deleted(self, document: str, sha256: str = "") -> None:
        """The document is gone, and no place holds the content, if one is given. An older version of the index, taken
        up after a power cut, may bring it back."""
        with self._lock, self._database:
            self._database.execute("REPLACE INTO deleted VALUES (?)", (document,))
            self._database.execute("DELETE FROM origins WHERE sha256 = ?", (sha256,))

    def deleted(self) -> list[str]:
        """The ids that were noted since `forget_deleted`."""
        with self._lock:
            return [str(row[0]) for row in self._database.execute("SELECT document FROM deleted")]

    def forget_deleted(self) -> None:
        with self._lock, self._database:
            self._database.execute("DELETE FROM deleted")

    def remove(self, origin: str) -> None:
        with self._lock, self._database:
            self._database.execute("DELETE FROM origins WHERE origin = ?", (_bytes(origin),))


def _bytes(origin: str) -> bytes:
    return origin.encode("utf-8", "surrogateescape")
