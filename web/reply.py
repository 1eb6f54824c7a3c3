"""One question to a server and what comes of it, over a socket that may break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, cast

import aiohttp

from rag.errors import Refused

from .events import Answer, EndEvent, Event, Source

# Attempts to come back, one after the other, and the seconds between them: half a minute in all.
ATTEMPTS = 8
BACKOFF_FIRST, BACKOFF_CAP = 0.5, 8.0
LAST = ("stream_end", "stream_error")

Connect = Callable[[], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]


class Reply:
    """A question that goes out when its reply is read: as events, by `tokens()`, or by `answer()`. It is read once.

    A lost connection is made anew and the answer resumed, so that each event comes once. An answer that is left early
    is cancelled.
    """

    def __init__(self, message: dict[str, Any], connect: Connect, gone: Refused) -> None:
        self.message_id = str(message["message_id"])
        self.session_id = str(message["session_id"])
        self._message = message
        self._connect = connect
        self._gone = gone
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._cancelled = False
        self._started = False
        self._next = 0
        self._thought = 0
        self._has_sources = False
        self._told = self._tell()

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of the protocol; the last is `stream_end` or `stream_error`. Raises `Refused`."""
        return self._told

    async def tokens(self) -> AsyncGenerator[str, None]:
        """The text in pieces. Raises `Refused` if the answer fails."""
        async with aclosing(self._told) as events:
            async for event in events:
                if event["type"] == "stream_token":
                    yield event["token"]
                elif event["type"] == "stream_error":
                    raise Refused(event)

    async def answer(self) -> Answer:
        """The whole answer. Raises `Refused` if it fails."""
        tokens: list[str] = []
        sources: list[Source] = []
        end: EndEvent | None = None
        async with aclosing(self._told) as events:
            async for event in events:
                if event["type"] == "stream_token":
                    tokens.append(event["token"])
                elif event["type"] == "stream_sources":
                    sources = event["sources"]
                elif event["type"] == "stream_error":
                    raise Refused(event)
                elif event["type"] == "stream_end":
                    end = event
        if end is None:
            raise RuntimeError("This reply was read before.")
        return Answer(self.message_id, self.session_id, "".join(tokens), sources, end)

    async def cancel(self) -> None:
        """Stop the answer: what was said stays, and its end comes with the reason `cancelled`."""
        self._cancelled = True
        if self._socket is not None:
            with contextlib.suppress(ConnectionError):
                await self._send("cancel")

    # The socket.

    async def _tell(self) -> AsyncGenerator[Event, None]:
        reached, attempt = False, 0
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                async with self._connect() as self._socket:
                    reached = True
                    async with aclosing(self._listen(self._socket)) as events:
                        async for event in events:
                            attempt = 0
                            yield event
                            if event["type"] in LAST:
                                return
            self._socket = None
            if not reached or attempt == ATTEMPTS:
                raise self._gone
            await asyncio.sleep(random.uniform(0.5, 1) * min(BACKOFF_CAP, BACKOFF_FIRST * 2**attempt))
            attempt += 1

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[Event, None]:
        """What is new, until the connection ends."""
        if self._started:
            await self._send("resume", next_index=self._next)
        else:
            await socket.send_json(self._message)
        if self._cancelled:
            await self._send("cancel")
        thought, ended = 0, False
        try:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    return
                event = cast("Event", json.loads(frame.data))
                ended = event["type"] in LAST
                if event["type"] == "stream_thinking":
                    # It is told from its beginning after each break.
                    thought += len(event["text"])
                    if (more := thought - self._thought) <= 0:
                        continue
                    event["text"], self._thought = event["text"][-more:], thought
                if self._is_new(event):
                    yield event
        finally:
            if not ended and not self._cancelled and not socket.closed:
                with contextlib.suppress(ConnectionError):
                    await self._send("cancel")

    def _is_new(self, event: Event) -> bool:
        if event["type"] == "stream_start":
            known, self._started = self._started, True
            return not known
        if event["type"] == "stream_sources":
            known, self._has_sources = self._has_sources, True
            return not known
        if event["type"] == "stream_token":
            if event["index"] < self._next:
                return False
            self._next = event["index"] + 1
        return True

    async def _send(self, kind: str, **more: int) -> None:
        if self._socket is not None:
            await self._socket.send_json({"type": kind, "message_id": self.message_id, **more})
