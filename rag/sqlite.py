"""Opens the small databases. One that is damaged never stops a start: it is moved aside, and a new one begun."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any, Literal

from . import durable
from .damage import set_aside

# Of SQLite: the file is malformed; it is no database.
DAMAGED = (11, 26)
LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
# Pages of the log of changes from which on they are moved to the database, and the log is written from its beginning
# again. SQLite's own 1,000 would be 4 MB beside a database of 32 KB.
LOG_PAGES = 64

log = logging.getLogger(__name__)


def open_database(
    file: Path, synchronous: Literal["FULL", "NORMAL"], **options: Any
) -> tuple[sqlite3.Connection, Path | None]:
    """A connection with a log of changes (WAL), for any thread; where a damaged file was moved to, if one was.

    `options` as of `sqlite3.connect`. Raises `sqlite3.Error` and `OSError` for what is no damage.
    """
    durable.make_folder(file.parent)
    aside = None
    if _changes_are_damaged(file):
        aside = set_aside(_beside(file, "-wal"))
    try:
        database = _connect(file, options)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in DAMAGED:
            raise
        aside = set_aside(file)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                set_aside(_beside(file, suffix))
        database = _connect(file, options)
    if aside:
        log.error("%s was damaged; what there was of it is now %s", file, aside)
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    return database, aside


def _connect(file: Path, options: dict[str, Any]) -> sqlite3.Connection:
    if not file.exists():
        _make(file)
    elif not file.stat().st_size:
        raise _damaged("it is empty")
    database: sqlite3.Connection = sqlite3.connect(file, check_same_thread=False, **options)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        found = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise _damaged(str(found))
    except BaseException:
        database.close()
        raise
    return database


def _make(file: Path) -> None:
    """An empty database, in place at once: so a file without content is a damaged one."""
    for suffix in ("-wal", "-shm"):
        # Changes of a file that is gone would be made to the new one.
        with contextlib.suppress(FileNotFoundError):
            set_aside(_beside(file, suffix))
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    database = sqlite3.connect(new)
    database.execute("VACUUM")
    database.close()
    durable.sync(new)
    os.replace(new, file)
    durable.sync(file.parent)


def _damaged(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = DAMAGED[0]
    return error


def _changes_are_damaged(file: Path) -> bool:
    """Whether the log of changes has lost its beginning. SQLite would take it for an empty one, and write over it."""
    try:
        with _beside(file, "-wal").open("rb") as changes:
            begin = changes.read(4)
    except FileNotFoundError:
        return False
    return bool(begin) and begin not in LOG_MAGIC


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
