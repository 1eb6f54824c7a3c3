"""What a disk refuses, as an error of the catalogue: it is full, or it takes no writing."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import RagError

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
# What the library of the index says, which has no error numbers.
SAID_FULL = ("os error 28", "os error 122", "No space left", "StorageFull")
SAID_READ_ONLY = ("os error 30", "Read-only file system")
# Of SQLite: the disk is full; it cannot be written; it failed, which a full disk may be the reason of, too.
SQLITE_FULL, SQLITE_REFUSED = 13, (8, 10, 14)
# With less, a failure of a disk is taken for a full one.
LEAST = 1 << 20
# Codes of what a disk refuses. Once it does not, the same work is done.
REFUSALS = frozenset(("SETUP-003", "SETUP-010"))


def refusal(error: BaseException | None, directory: Path) -> RagError | None:
    """SETUP-010 if the disk is full, SETUP-003 if it cannot be written, None if it is something else."""
    if isinstance(error, RagError):
        return error if error.code in REFUSALS else None
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        full = code == SQLITE_FULL or (code in SQLITE_REFUSED and _free(directory) < LEAST)
        read_only = code in SQLITE_REFUSED
    elif isinstance(error, OSError) and error.errno:
        full, read_only = error.errno in FULL, error.errno == errno.EROFS
    else:
        full = any(part in str(error) for part in SAID_FULL)
        read_only = any(part in str(error) for part in SAID_READ_ONLY)
    if full:
        return RagError("SETUP-010", directory=str(directory))
    reason = (str(error).splitlines() or [""])[0][:200]
    return RagError("SETUP-003", directory=str(directory), reason=reason) if read_only else None


@contextmanager
def told(directory: Path) -> Iterator[None]:
    """Raises `RagError` SETUP-010 or SETUP-003 in place of what a full disk, or one that is not written, raises."""
    try:
        yield
    except (OSError, sqlite3.Error, RuntimeError) as error:
        if refused := refusal(error, directory):
            raise refused from error
        raise


def takes(directory: Path, size: int) -> bool:
    """Whether so many bytes can be written. Blocks."""
    probe = directory / f".{uuid.uuid4().hex}"
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return _free(directory) >= size


def _free(directory: Path) -> int:
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 0
