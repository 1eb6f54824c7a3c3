"""What the engine of a server computes, read from the file that it writes (see server.py)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Decodes of more rows than these are of prompts.
PROMPT_ROWS = 32
# No decode in so many seconds: the engine is free.
QUIET = 0.4
SLOW = 120.0


@dataclass(frozen=True)
class Decode:
    begin: int
    end: int
    rows: int
    tokens: int
    code: int


class Decodes:
    """What the engine of a server has computed since the last `clear`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from = 0

    def clear(self) -> None:
        self._from = self._path.stat().st_size

    def lines(self) -> list[list[str]]:
        with self._path.open() as file:
            file.seek(self._from)
            return [line.split() for line in file.read().splitlines(keepends=True) if line.endswith("\n")]

    def all(self) -> list[Decode]:
        """Those that have ended."""
        found, begin = [], 0
        for kind, at, rows, tokens, *code in self.lines():
            if kind == "begin":
                begin = int(at)
            else:
                found.append(Decode(begin, int(at), int(rows), int(tokens), int(code[0])))
        return found

    def is_free(self, seconds: float = QUIET) -> bool:
        """Whether nothing is being computed, nor was in the last seconds."""
        lines = self.lines()
        return not lines or (lines[-1][0] == "end" and time.monotonic_ns() - int(lines[-1][1]) > seconds * 1e9)

    def until(self, holds: Callable[[], bool], seconds: float = SLOW) -> bool:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def until_reading(self) -> None:
        """Until a prompt is being read."""
        if not self.until(lambda: any(int(line[2]) > PROMPT_ROWS for line in self.lines())):
            raise AssertionError("no prompt is read")
