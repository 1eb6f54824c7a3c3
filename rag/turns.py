"""Those who ask take turns, however many questions each of them has. An asker without a name is always a new one."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

# Askers whose last turn is remembered.
REMEMBERED = 1_000


def in_turns(
    waiting: Iterable[T],
    asker_of: Callable[[T], str],
    served: Iterable[str] = (),
    last: Mapping[str, int] | None = None,
) -> list[T]:
    """The first of each asker, then the second of each, and so on; otherwise in their order.

    Those that are `served` already, by their askers, count as their first. `last`: when each had its last turn, as a
    rising number; of the firsts, and so on, that of who had it longest ago comes before the others.
    """
    before = Counter(served)
    ranked: list[tuple[tuple[int, int], T]] = []
    for item in waiting:
        asker = asker_of(item)
        ranked.append(((before[asker], (last or {}).get(asker, -1)) if asker else (0, -1), item))
        before[asker] += 1
    return [item for _, item in sorted(ranked, key=lambda one: one[0])]


class Crowd:
    """How many each asker has of `most` places. None takes so many that others find fewer left than that."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._has: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._has.total()

    def has_room(self, asker: str) -> bool:
        free = self._most - len(self)
        return free > (self._has[asker] if asker else 0)

    def ahead(self, asker: str) -> int:
        """How many come before one more of the asker, where all take turns."""
        own = self._has[asker] if asker else 0
        return sum(min(has, own + 1) if name and name != asker else has for name, has in self._has.items())

    def add(self, asker: str) -> None:
        self._has[asker] += 1

    def remove(self, asker: str) -> None:
        self._has[asker] -= 1
        if not self._has[asker]:
            del self._has[asker]


class Rota:
    """Whose turn is next, where each asker's last turn is remembered."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._turns = 0

    def order(self, waiting: Iterable[T], asker_of: Callable[[T], str], served: Iterable[str] = ()) -> list[T]:
        """As `in_turns`."""
        return in_turns(waiting, asker_of, served, self._last)

    def serve(self, asker: str) -> None:
        """It has its turn now."""
        self._turns += 1
        self._last.pop(asker, None)
        self._last[asker] = self._turns
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]


class Turns:
    """So many places that askers take in turn. For one event loop."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._rota = Rota()
        self._served: list[str] = []
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, asker: str) -> AsyncIterator[None]:
        """A place, as soon as it is the asker's turn."""
        if len(self._served) < self._places:
            self._serve(asker)
        else:
            turn = asker, asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn[1]
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._leave(asker)
                raise
        try:
            yield
        finally:
            self._leave(asker)

    def _serve(self, asker: str) -> None:
        self._rota.serve(asker)
        self._served.append(asker)

    def _leave(self, asker: str) -> None:
        self._served.remove(asker)
        # Who gave up a moment ago still has to take itself out.
        if waiting := [turn for turn in self._waiting if not turn[1].done()]:
            turn = self._rota.order(waiting, lambda turn: turn[0], self._served)[0]
            self._waiting.remove(turn)
            self._serve(turn[0])
            turn[1].set_result(None)
