"""A small database that a power cut or a failing disk has damaged never stops a start, and nothing of it is deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.sqlite import open_database


def kept(file: Path) -> Path:
    """A database with rows in the file and more rows in its log of changes, as a kill leaves it."""
    at_work = file.with_name("at_work")
    database, _ = open_database(at_work, "FULL", isolation_level=None)
    database.execute("CREATE TABLE things (name TEXT)")
    database.executemany("INSERT INTO things VALUES (?)", [(f"row {number} " * 50,) for number in range(500)])
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("INSERT INTO things VALUES ('last')")
    for suffix in ("", "-wal"):
        shutil.copy(f"{at_work}{suffix}", f"{file}{suffix}")
    database.close()
    return file


def rows(database: sqlite3.Connection) -> int:
    with contextlib.closing(database):
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            return 0
        return int(database.execute("SELECT COUNT(*) FROM things").fetchone()[0])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def zero_a_part(file: Path) -> None:
    with file.open("rb+") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(bytes(16384))


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(file.stat().st_size))


DAMAGES = [empty, cut_short, zero, zero_a_part, garble]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    file = kept(tmp_path / "file.sqlite")
    (tmp_path / "file.sqlite-wal").unlink()
    damage(file)
    damaged = file.read_bytes()
    database, aside = open_database(file, "FULL")
    assert aside is not None
    assert aside.read_bytes() == damaged
    assert rows(database) == 0
    database, aside = open_database(file, "FULL")
    assert aside is None
    database.close()


@pytest.mark.parametrize("damage", [zero, garble])
def test_of_damaged_changes_the_file_is_kept(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    file = kept(tmp_path / "file.sqlite")
    damage(tmp_path / "file.sqlite-wal")
    database, aside = open_database(file, "FULL")
    assert aside is not None
    assert rows(database) == 500


def test_what_a_kill_leaves_is_taken_up(tmp_path: Path) -> None:
    database, aside = open_database(kept(tmp_path / "file.sqlite"), "FULL")
    assert (rows(database), aside) == (501, None)


def test_changes_of_a_file_that_is_gone_are_not_made_to_the_new_one(tmp_path: Path) -> None:
    file = kept(tmp_path / "file.sqlite")
    file.unlink()
    database, aside = open_database(file, "FULL")
    assert (rows(database), aside) == (0, None)
    assert list(tmp_path.glob("file.sqlite-wal.damaged-*"))


def test_what_is_no_damage_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file.sqlite").mkdir()
    with pytest.raises((sqlite3.Error, OSError)):
        open_database(tmp_path / "file.sqlite", "FULL")
