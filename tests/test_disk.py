"""What a full or a read-only disk refuses becomes an error of the catalogue, whoever meets it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from rag import disk, durable
from rag.errors import RagError


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("disk")
    error.sqlite_errorcode = code
    return error


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    of_sqlite(disk.SQLITE_FULL),
    RuntimeError("lance error: LanceError(IO): Generic error: No space left on device (os error 28)"),
]
READ_ONLY = [
    OSError(errno.EROFS, "Read-only file system"),
    of_sqlite(8),
    # A write that failed, with an extended code.
    of_sqlite(10 | 3 << 8),
    RuntimeError("LanceError(IO): Read-only file system (os error 30)"),
]
OTHERS = [
    OSError(errno.ENOENT, "No such file"),
    OSError("no number"),
    of_sqlite(11),
    RuntimeError("schema mismatch"),
    ValueError("x"),
    RagError("SEARCH-001"),
    None,
]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_is_told_as_one(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(RagError) as caught, disk.told(tmp_path):
        raise error
    assert (caught.value.code, caught.value.status) == ("SETUP-010", 507)
    assert caught.value.data["directory"] == str(tmp_path)


@pytest.mark.parametrize("error", READ_ONLY)
def test_a_disk_that_cannot_be_written_is_told_as_one(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(RagError) as caught, disk.told(tmp_path):
        raise error
    assert caught.value.code == "SETUP-003"


def test_a_failed_write_with_no_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_free", lambda directory: disk.LEAST - 1)
    refused = disk.refusal(of_sqlite(10), tmp_path)
    assert refused
    assert refused.code == "SETUP-010"


@pytest.mark.parametrize("error", OTHERS)
def test_anything_else_stays_what_it_is(error: Exception | None, tmp_path: Path) -> None:
    assert disk.refusal(error, tmp_path) is None
    if error:
        with pytest.raises(type(error)) as caught, disk.told(tmp_path):
            raise error
        assert caught.value is error


def test_an_error_that_was_told_already_is_told_on(tmp_path: Path) -> None:
    refused = RagError("SETUP-010", directory="x")
    assert disk.refusal(refused, tmp_path) is refused


def test_whether_a_disk_takes_bytes_leaves_nothing_there(tmp_path: Path) -> None:
    assert disk.takes(tmp_path, 1)
    assert not disk.takes(tmp_path, 1 << 62)
    assert not disk.takes(tmp_path / "none", 1)
    assert not list(tmp_path.iterdir())


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
