"""Which files of a folder are documents."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import loaders
from .errors import RagError


@dataclass(slots=True)
class Scan:
    """What a folder holds: (time of the last change in ns, bytes) of each file, and which folders could not be read."""

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def knows(self, path: str) -> bool:
        """Whether it can be said that a file which was not found is gone."""
        return not any(path.startswith(os.path.join(folder, "")) for folder in self.unreadable)


def scan(root: Path, without: Collection[Path] = ()) -> Scan:
    """All files of supported types below the folder, hidden ones left out. Blocks.

    Links to folders are not followed, nor those to files elsewhere: who may write into a folder that is watched could
    show with them what only this process may read. `without` names folders that are left out.
    """
    found = Scan()
    inside = os.path.join(os.path.realpath(root), "")
    left_out = {str(path) for path in without}
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_hidden(entry.name) or entry.path in left_out:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif is_supported(entry.name) and entry.is_file() and _lies_in(inside, entry):
                        status = entry.stat()
                        found.files[entry.path] = status.st_mtime_ns, status.st_size
        except OSError:
            found.unreadable.append(folder)
    return found


def _lies_in(inside: str, entry: os.DirEntry[str]) -> bool:
    return not entry.is_symlink() or os.path.realpath(entry.path).startswith(inside)


def find_files(path: Path) -> Iterator[tuple[str, Path]]:
    """(source, path) of the file, or of all files that `scan` finds in the folder, sorted.

    Sources are relative to the parent of `path`. Raises `RagError` DOC-008 if there is no such path.
    """
    path = path.expanduser().absolute()
    if path.is_file():
        yield path.name, path
    elif path.is_dir():
        for file in sorted(map(Path, scan(path).files)):
            yield source_of(file, path), file
    else:
        raise RagError("DOC-008", file=str(path))


def source_of(file: Path, root: Path) -> str:
    """The name of a file as people read it: from the folder's own name on, with slashes."""
    return file.relative_to(root.parent).as_posix()


def is_hidden(name: str) -> bool:
    """Whether it is not meant for people, such as what office programs leave beside an open file."""
    return name.startswith((".", "~$"))


def is_supported(name: str) -> bool:
    return loaders.suffix(name) in loaders.SUPPORTED
