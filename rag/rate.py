"""How often each client may ask: a token bucket for every one of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Limit:
    """`per_minute` questions of each client, so many at once, then as they come back over time; 0: any number.

    `clock` gives seconds. At most `clients` are remembered; the one that was longest silent is forgotten first.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float], clients: int = 10_000) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._clients = clients
        # Of each client, when its bucket will be full again (the virtual scheduling of GCRA, ITU-T I.371).
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, client: str) -> float:
        """0, and the question counts; or the seconds until the client may ask again, and nothing is counted."""
        if self._per_minute <= 0:
            return 0.0
        now, each = self._clock(), 60 / self._per_minute
        full_at = max(now, self._full_at.get(client, now)) + each
        # A bucket holds the questions of a minute, and at least one.
        wait = full_at - now - max(60, each)
        if wait > 1e-9:
            return wait
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        while len(self._full_at) > self._clients:
            self._full_at.popitem(last=False)
        return 0.0
