"""Open connections: only so many, and none on which nothing moves for good.

The library waits for ever where a client takes its answer, or sends its body, a byte at a time. Here each has to move
`LEAST` bytes in `PATIENCE` seconds while some are waiting to; the rest of the time is the library's own to bound.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from contextlib import suppress

from aiohttp import StreamReader

from rag.errors import Lang, RagError

from .gone import Telling

PATIENCE = 30.0
LEAST = 16 << 10
# Seconds between two looks at all connections.
LOOK = 1.0
# Bytes that the system holds for a client that does not take them; left to itself, Linux holds megabytes.
SEND_BUFFER = 128 << 10
# Files that are no connections: index, logs, models, conversations.
OTHER_FILES = 400
# One connection too many is told so, and these many at once, each for so many seconds.
REFUSED, REFUSAL = 64, 5.0

log = logging.getLogger(__name__)


def wanted_connections(max_connections: int) -> int:
    """TCP connections at once: each page holds a socket and a stream of progress, and some requests come on top."""
    return 2 * max_connections + 100


def most_connections(max_connections: int) -> int:
    """The same, or fewer where the system lets the process open fewer files."""
    wanted = wanted_connections(max_connections)
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            return max(16, min(wanted, soft - OTHER_FILES))
    return wanted


def drop(transport: asyncio.BaseTransport) -> None:
    """End a connection at once. What the system still holds for a client that does not take it goes as well."""
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


class Pace:
    """Bytes that move in one direction of a connection. Times are seconds of any clock."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._moved = 0

    def is_stuck(self, now: float, waiting: bool, moved: int) -> bool:
        """Whether some were `waiting` for `PATIENCE` seconds and fewer than `LEAST` of them have `moved`."""
        if not waiting:
            self._since = None
            return False
        self._moved += moved
        if self._since is None or self._moved >= LEAST:
            self._since, self._moved = now, 0
        return now - self._since >= PATIENCE


class Connection(Telling):
    """The library's, known to its watch from its beginning to its very end."""

    watch: Watch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self.watch.add(self, transport)
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.watch.remove(self)
        super().connection_lost(exc)

    @property
    def body(self) -> StreamReader | None:
        """What the client still sends of the request that is being answered."""
        request = self._current_request
        content = request.content if request is not None else None
        return None if content is None or content.is_eof() else content


class _Watched:
    """One connection, as its watch sees it. It holds the transport, which the library lets go when it closes it."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._connection = connection
        self._transport = transport
        self._out, self._in = Pace(), Pace()
        self._left = 0
        self._body: StreamReader | None = None
        self._read = 0

    def look(self, now: float) -> None:
        """Abort it if its client has had its time."""
        left = self._transport.get_write_buffer_size()
        stuck = self._out.is_stuck(now, left > 0, max(0, self._left - left))
        self._left = left
        body = self._connection.body
        if body is not self._body:
            self._body, self._read, self._in = body, 0, Pace()
        if body is not None:
            moved = body.total_bytes - self._read
            self._read += moved
            # What the server does not take yet is no fault of the client.
            stuck |= self._in.is_stuck(now, self._transport.is_reading(), moved)
        if stuck:
            log.info("a connection on which nothing moves is closed")
            drop(self._transport)


class Watch:
    """All open connections of a server, `most` at once. It looks at them as long as there are any."""

    def __init__(self, most: int, lang: Lang) -> None:
        self.most = most
        self.lang = lang
        self.refused = 0
        self._open: dict[Connection, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        return len(self._open) >= self.most

    def add(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._open[connection] = _Watched(connection, transport)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK, self._look) if self._open else None
        for watched in list(self._open.values()):
            watched.look(loop.time())


class Refusal(asyncio.Protocol):
    """A connection too many: its first request gets the body of the catalogue. Where there are more, they just end."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._watch.refused += 1
        self._transport = transport
        if self._watch.refused > REFUSED:
            transport.abort()
        asyncio.get_running_loop().call_later(REFUSAL, transport.abort)

    def data_received(self, data: bytes) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        error = RagError("WS-004-TOO_MANY_CONNECTIONS", limit=self._watch.most)
        body = json.dumps(error.body(self._watch.lang), ensure_ascii=False).encode()
        head = f"HTTP/1.1 {error.status} Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
        head += f"Content-Length: {len(body)}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
        transport.write(head.encode() + body)
        transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._watch.refused -= 1
