"""What was found damaged at a start: a power cut or a failing disk may leave it so, a kill does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Part = Literal["index", "documents", "places", "watched", "conversations"]


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that was mended. `aside`: where the damaged file or folder lies now, "" where nothing was moved.

    `index`: its newest versions were not whole, and the one before them is used; or none was, and it is made anew.
    `documents`: so many (`count`) that the index has lost were put into the queue again, from their originals.
    `places`, `watched`, `conversations`: the file of them was damaged, and a new one was begun.
    """

    part: Part
    aside: str = ""
    count: int = 0


def set_aside(path: Path) -> Path:
    """Move a damaged file or folder out of the way. Where to; nothing of it is deleted."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return path.rename(path.with_name(f"{path.name}.damaged-{at}"))
