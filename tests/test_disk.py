"""What a disk refuses is told as such, whoever says it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from rag import disk, durable
from rag.errors import RagError


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "SETUP-010"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "SETUP-010"),
        (OSError(errno.EROFS, "Read-only file system"), "SETUP-003"),
        (OSError(errno.ENOENT, "No such file or directory"), None),
        (of_sqlite(disk.SQLITE_FULL), "SETUP-010"),
        (of_sqlite(8), "SETUP-003"),
        (of_sqlite(19), None),
        (RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)"), "SETUP-010"),
        (RuntimeError("lance error: Read-only file system (os error 30)"), "SETUP-003"),
        (RuntimeError("something else"), None),
        (RagError("SETUP-010", directory="x"), "SETUP-010"),
        (RagError("DOC-005", file="x"), None),
    ],
)
def test_each_library_says_it_in_its_own_way(error: BaseException, code: str | None, tmp_path: Path) -> None:
    found = disk.refusal(error, tmp_path)
    assert (found and found.code) == code


def test_what_is_no_refusal_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(RagError) as caught, disk.told(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.code == "SETUP-010"
    with pytest.raises(FileNotFoundError), disk.told(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_a_write_that_failed_where_there_is_no_room_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []
    for free in (disk.LEAST, disk.LEAST - 1):
        monkeypatch.setattr(disk, "_free", lambda directory, free=free: free)
        found = disk.refusal(of_sqlite(10 | 3 << 8), tmp_path)
        codes.append(found.code if found else None)
    assert codes == ["SETUP-003", "SETUP-010"]


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path) -> None:
    durable.write(tmp_path / "file", b"before")
    with pytest.raises(TypeError):
        durable.write(tmp_path / "file", None)  # type: ignore[arg-type]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"before")]


def test_half_made_files_are_swept_when_they_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("." + "0a" * 16, ".hidden", "file"):
        (tmp_path / name).write_bytes(b"x")
    durable.sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(durable, "OLD", -1.0)
    durable.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "file"]


def test_a_disk_is_asked_for_room_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    assert disk.takes(tmp_path, 1)
    assert not disk.takes(tmp_path, 1 << 60)
    assert not disk.takes(tmp_path / "missing", 1)
    assert not list(tmp_path.iterdir())
