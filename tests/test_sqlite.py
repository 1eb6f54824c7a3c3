"""A small database that is damaged stops no start, and nothing of it is thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.sessions import Sessions
from rag.sqlite import open_database

from .fakes import Clock


def fill(file: Path, rows: int = 2000) -> None:
    database, aside = open_database(file, "FULL")
    assert aside is None
    database.execute("CREATE TABLE kept (value TEXT)")
    database.executemany("INSERT INTO kept VALUES (?)", [(f"value {number}",) for number in range(rows)])
    database.commit()
    database.close()


def count(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM kept").fetchone()[0])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zero(content: bytes) -> bytes:
    return bytes(len(content))


def empty(content: bytes) -> bytes:
    return b""


def fill_with_garbage(content: bytes) -> bytes:
    return b"garbage " * (len(content) // 8)


DAMAGES = [cut, zero, empty, fill_with_garbage]


def test_a_whole_one_is_opened_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "a.sqlite")
    database, aside = open_database(tmp_path / "a.sqlite", "FULL")
    assert (count(database), aside) == (2000, None)
    database.close()


def test_the_log_of_changes_stays_small_however_often_something_changes(tmp_path: Path) -> None:
    fill(tmp_path / "a.sqlite", rows=1)
    database, _ = open_database(tmp_path / "a.sqlite", "NORMAL")
    for number in range(1000):
        database.execute("UPDATE kept SET value = ?", (f"value {number}",))
        database.commit()
    assert (tmp_path / "a.sqlite-wal").stat().st_size < 512 << 10
    database.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "a.sqlite"
    fill(file)
    content = damage(file.read_bytes())
    file.write_bytes(content)
    database, aside = open_database(file, "FULL")
    assert aside is not None
    assert aside.read_bytes() == content
    assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    database.close()


def test_changes_that_were_not_merged_yet_survive_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    fill(file)
    database, _ = open_database(file, "FULL")
    database.execute("INSERT INTO kept VALUES ('late')")
    database.commit()
    # As a kill leaves it: the file, and the log of changes beside it.
    killed = tmp_path / "killed.sqlite"
    for suffix in ("", "-wal"):
        killed.with_name(killed.name + suffix).write_bytes(file.with_name(file.name + suffix).read_bytes())
    database.close()
    again, aside = open_database(killed, "FULL")
    assert (count(again), aside) == (2001, None)
    again.close()


def test_changes_of_a_file_that_is_gone_are_not_made_to_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    fill(file)
    file.rename(tmp_path / "elsewhere")
    file.with_name("a.sqlite-wal").write_bytes(b"\x37\x7f\x06\x82 and changes")
    database, aside = open_database(file, "FULL")
    assert (database.execute("SELECT count(*) FROM sqlite_master").fetchone(), aside) == ((0,), None)
    assert list(tmp_path.glob("a.sqlite-wal.damaged-*"))
    database.close()


def test_a_damaged_log_of_changes_is_moved_aside(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    fill(file)
    file.with_name("a.sqlite-wal").write_bytes(bytes(5000))
    database, aside = open_database(file, "FULL")
    assert aside is not None
    assert aside.name.startswith("a.sqlite-wal.damaged-")
    assert count(database) == 2000
    database.close()


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_conversations_are_told_of_and_new_ones_begun(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "sessions.sqlite"
    first = Sessions(file, 30, Clock())
    assert await first.create("kept")
    await first.close()
    file.write_bytes(damage(file.read_bytes()))
    again = Sessions(file, 30, Clock())
    assert [(each.part, Path(each.aside).parent) for each in again.damage] == [("conversations", tmp_path)]
    assert await again.create("kept")
    await again.close()
