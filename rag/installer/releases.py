"""The versions in a target: which are whole, which one is in use, which one was before."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from .checks import MANIFEST, is_whole
from .texts import Refused

# Seconds that what a killed installer had begun may still take.
PATIENCE = 10.0


def in_use(target: Path) -> Path | None:
    """The version in use."""
    link = target / "current"
    return target / "releases" / Path(os.readlink(link)).name if link.is_symlink() else None


def switch(target: Path, release: Path) -> None:
    """Make a whole version the one in use, at once."""
    before = in_use(target)
    if before and before != release and is_whole(before):
        # By this the way back is found.
        os.utime(before / MANIFEST)
    link = target / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases", release.name))
    os.replace(link, target / "current")
    sync(target)


def earlier(target: Path) -> Path:
    """The version that was in use before. Raises `Refused` if there is none."""
    now = in_use(target)
    others = [each for each in (target / "releases").glob("*") if is_whole(each) and each != now]
    if not others:
        raise Refused("nothing", target=target)
    return max(others, key=lambda each: (each / MANIFEST).stat().st_mtime_ns)


def remove_others(target: Path) -> None:
    """Remove all but the version in use and the one before."""
    kept = {in_use(target)}
    with contextlib.suppress(Refused):
        kept.add(earlier(target))
    for each in (target / "releases").iterdir():
        if each.is_dir() and each not in kept:
            # From then on it is not whole, whatever interrupts the rest.
            (each / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(each)


@contextlib.contextmanager
def alone(target: Path) -> Iterator[int]:
    """Hold the right to change the folder: the descriptor of a lock. Raises `Refused` where another process has it.

    The system drops the lock when the last process that was given it has died.
    """
    with (target / "releases" / ".lock").open("ab") as file:
        until = time.monotonic() + PATIENCE
        while not _locked(file.fileno()):
            if time.monotonic() > until:
                raise Refused("busy", target=target)
            time.sleep(0.1)
        yield file.fileno()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_running(target: Path) -> bool:
    """Whether a server holds the data."""
    try:
        with (target / "data" / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
