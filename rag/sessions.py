"""Conversations: 30 minutes of life after the last use, kept across a restart.

SQLite keeps them; a turn that was acknowledged is on disk. All methods but `lock` block for a moment on the
disk, so the async ones run on a thread of their own.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from . import disk
from .damage import Damage
from .errors import RagError
from .sqlite import open_database
from .types import Turn

T = TypeVar("T")

LONGEST_TITLE = 80

SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    session_id TEXT NOT NULL, number INTEGER NOT NULL, message_id TEXT NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, sources TEXT NOT NULL, asked TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (session_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (session_id TEXT PRIMARY KEY, used REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in a list. `used`: seconds since 1970; `title`: its first question, shortened, or ""."""

    session_id: str
    turns: int
    used: float
    title: str


class Sessions:
    """All conversations of one data directory. `clock` gives wall-clock seconds, so that a restart can tell age.

    `life`: seconds from the last use of one until it is forgotten.

    `damage`: what was found damaged, and moved aside. Raises `RagError` SETUP-003 or SETUP-010 if the file cannot be
    opened; so do all methods that write, if the disk takes nothing.
    """

    def __init__(self, path: Path, minutes: float, clock: Callable[[], float]) -> None:
        self.life = minutes * 60
        self._clock = clock
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._folder = path.parent
        try:
            self._db, aside = open_database(path, "FULL", isolation_level=None)
            self.damage = [Damage("conversations", str(aside))] if aside else []
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(SCHEMA)
            # A file of version 0.1.0.
            if "asked" not in {row[1] for row in self._db.execute("PRAGMA table_info(turns)")}:
                self._db.execute("ALTER TABLE turns ADD COLUMN asked TEXT NOT NULL DEFAULT ''")
        except (sqlite3.Error, OSError) as error:
            refused = disk.refusal(error, path.parent)
            raise refused or RagError("SETUP-003", directory=str(path.parent), reason=str(error)) from error

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown)
        self._db.close()

    def lock(self, session_id: str) -> asyncio.Lock:
        """Held while a question of the session is answered, so that turns do not mix. Hold on to the object."""
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        return lock

    async def turns(self, session_id: str) -> list[Turn]:
        """The turns so far, oldest first. Counts as use, unless the disk is full.

        What has outlived its time is forgotten first.
        """
        return await self._run(self._turns, session_id)

    async def append(self, session_id: str, turn: Turn, replaces: str = "") -> None:
        """Add a turn, in place of the one named `replaces` and all after it if there is one. On disk on return."""
        await self._run(self._append, session_id, turn, replaces)

    async def look(self, session_id: str) -> tuple[list[Turn], float] | None:
        """(the turns so far, seconds until they are forgotten), or None if it is unknown. Does not count as use."""
        return await self._run(self._look, session_id)

    async def create(self, session_id: str) -> bool:
        """Know a conversation before its first turn. Counts as use of one that is known already: then False."""
        return await self._run(self._create, session_id)

    async def summaries(self, first: int, most: int) -> tuple[list[Summary], int]:
        """(those from number `first` on, how many there are), the latest used first. Does not count as use."""
        return await self._run(self._summaries, first, most)

    async def delete(self, session_id: str) -> bool:
        """Forget a conversation once an answer that is running in it has ended. False if there is none.

        Nothing of it is left on disk.
        """
        async with self.lock(session_id):
            return await self._run(self._delete, session_id)

    async def _run(self, call: Callable[..., T], *arguments: object) -> T:
        with disk.told(self._folder):
            return await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)

    def _turns(self, session_id: str) -> list[Turn]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._forget_expired()
                self._db.execute("UPDATE sessions SET used = ? WHERE session_id = ?", (self._clock(), session_id))
                return self._read(session_id)
        except sqlite3.Error as error:
            if not disk.refusal(error, self._folder):
                raise
        # Who asks is answered all the same.
        found = self._look(session_id)
        return found[0] if found else []

    def _read(self, session_id: str) -> list[Turn]:
        rows = self._db.execute(
            "SELECT message_id, question, answer, sources, asked FROM turns WHERE session_id = ? ORDER BY number",
            (session_id,),
        )
        return [
            Turn(message_id, question, answer, json.loads(sources), asked)
            for message_id, question, answer, sources, asked in rows
        ]

    def _look(self, session_id: str) -> tuple[list[Turn], float] | None:
        row = self._db.execute("SELECT used FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
        left = row[0] + self.life - self._clock() if row else -1
        return (self._read(session_id), left) if left >= 0 else None

    def _create(self, session_id: str) -> bool:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._forget_expired()
            new = self._db.execute("INSERT OR IGNORE INTO sessions VALUES (?, 0)", (session_id,)).rowcount > 0
            self._db.execute("UPDATE sessions SET used = ? WHERE session_id = ?", (self._clock(), session_id))
            return new

    def _summaries(self, first: int, most: int) -> tuple[list[Summary], int]:
        alive = (self._clock() - self.life,)
        with self._db:
            self._db.execute("BEGIN")
            rows = self._db.execute(
                "SELECT session_id, (SELECT COUNT(*) FROM turns WHERE turns.session_id = sessions.session_id), used, "
                "(SELECT question FROM turns WHERE turns.session_id = sessions.session_id ORDER BY number LIMIT 1) "
                "FROM sessions WHERE used >= ? ORDER BY used DESC, session_id LIMIT ? OFFSET ?",
                (*alive, most, first),
            ).fetchall()
            (total,) = self._db.execute("SELECT COUNT(*) FROM sessions WHERE used >= ?", alive).fetchone()
        return [Summary(id, turns, used, _shortened(asked or "")) for id, turns, used, asked in rows], total

    def _delete(self, session_id: str) -> bool:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._forget_expired()
            self._db.execute("DELETE FROM turns WHERE session_id = ?", (session_id,))
            deleted = self._db.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,)).rowcount > 0
        # The log of changes still holds the texts.
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted

    def _append(self, session_id: str, turn: Turn, replaces: str) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._forget_expired()
            self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?)", (session_id, self._clock()))
            # Without such a turn the number is NULL, and nothing is taken out.
            self._db.execute(
                "DELETE FROM turns WHERE session_id = ? AND number >= "
                "(SELECT MIN(number) FROM turns WHERE session_id = ? AND message_id = ?)",
                (session_id, session_id, replaces),
            )
            self._db.execute(
                "INSERT INTO turns SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ? "
                "FROM turns WHERE session_id = ?",
                (
                    session_id,
                    turn.message_id,
                    turn.question,
                    turn.answer,
                    json.dumps(turn.sources, ensure_ascii=False),
                    turn.asked,
                    session_id,
                ),
            )

    def _forget_expired(self) -> None:
        oldest = self._clock() - self.life
        self._db.execute(
            "DELETE FROM turns WHERE session_id IN (SELECT session_id FROM sessions WHERE used < ?)", (oldest,)
        )
        self._db.execute("DELETE FROM sessions WHERE used < ?", (oldest,))


def _shortened(question: str) -> str:
    """On one line, and no longer than a title."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"


def before(turns: Sequence[Turn], message_id: str) -> list[Turn]:
    """The turns up to the one of that id, which is left out; all of them where there is none."""
    ids = [turn.message_id for turn in turns]
    return list(turns[: ids.index(message_id)] if message_id in ids else turns)
