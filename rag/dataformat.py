"""The format of the data directory: a version of the program that is too old for it says so instead of reading it."""

from __future__ import annotations

from pathlib import Path

from . import disk, jsonfile
from .errors import RagError

# Rises when an older version of the program could no longer read what this one writes.
FORMAT = 1
FILE = "format.json"


def claim(data_dir: Path) -> None:
    """Note the format in the directory, where it is not the first, which has no note.

    Raises `RagError` SETUP-011 if a newer one is noted there, SETUP-003 or SETUP-010 if the disk takes nothing.
    """
    noted = jsonfile.load(data_dir / FILE).get("format")
    found = noted if isinstance(noted, int) else 1
    if found > FORMAT:
        raise RagError("SETUP-011", directory=str(data_dir), found=found, known=FORMAT)
    if found < FORMAT:
        with disk.told(data_dir):
            jsonfile.save(data_dir / FILE, {"format": FORMAT})
