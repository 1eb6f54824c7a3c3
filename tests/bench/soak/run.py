"""What all clients of a soak share: the server, the pace, the documents that are there, and what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from .files import Fact

# Generous: the machine may have other things to do.
PATIENCE = 600.0


class Unexpected(Exception):
    """The server did what nobody had provoked."""


@dataclass
class Run:
    """`pace`: at 1 a client rests about as long as it works, at 2 half as long."""

    url: str
    seed: int
    pace: float
    begun: float = field(default_factory=time.monotonic)
    over: bool = False
    done: Counter[str] = field(default_factory=Counter)
    provoked: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
    """Of the documents that are there, by their ids."""

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/chat-ws"

    @property
    def now(self) -> float:
        return time.monotonic() - self.begun

    def took(self, kind: str, seconds: float) -> None:
        self.latencies.setdefault(kind, []).append((self.now, seconds))

    def chance(self, name: str) -> random.Random:
        """Of one client."""
        return random.Random(f"{self.seed} {name}")

    async def keep(self, name: str, client: Client) -> None:
        """Let the client act and rest until the run is over."""
        chance = self.chance(name)
        while not self.over:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    await client.act()
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                self.errors.append(f"{self.now:.0f} s, {name}: {type(error).__name__}: {error} ({place.name})"[:600])
            worked = max(0.2, time.monotonic() - begun)
            await self._rest(chance.expovariate(1) * worked / self.pace)

    async def _rest(self, seconds: float) -> None:
        end = time.monotonic() + min(seconds, 60)
        while not self.over and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 0.5))


class Client:
    """One that uses the server."""

    async def act(self) -> None:
        raise NotImplementedError


@asynccontextmanager
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Accept-Language": "en"}) as session:
        yield session


async def clients(run: Run, every: dict[str, Client]) -> None:
    """Until the run is over."""
    tasks = [asyncio.create_task(run.keep(name, client), name=name) for name, client in every.items()]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
