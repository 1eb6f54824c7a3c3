"""A proxy between a client and `/chat-ws` that breaks the connection after so many of the server's frames."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CuttingProxy:
    """Each connection is broken after `frames` text frames of the server and `more` bytes of the next; None: never.

    `half_open`: the server does not learn of it. While it is `away` nobody gets through, and while it is `stalled`
    nothing that the server says on a socket does.
    """

    host: str
    port: int
    frames: int | None = None
    more: int = 0
    half_open: bool = False
    away: bool = False
    stalled: bool = False
    own_port: int = 0
    cuts: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.own_port}"

    def cut(self) -> None:
        """Break all connections now."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_connection(self.host, self.port)
        self._writers |= {writer, inner_writer}
        up = asyncio.create_task(_pump(reader, inner_writer))
        try:
            cut = await self._down(inner_reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            cut = False
        up.cancel()
        self.cuts += cut
        writer.transport.abort()
        if not (cut and self.half_open):
            inner_writer.transport.abort()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        seen, left = 0, self.frames
        while b" 101 " in head:
            if left is not None and seen == left and not self.more:
                await writer.drain()
                return True
            frame = await _frame(reader)
            while self.stalled:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            if left is not None and seen == left:
                writer.write(frame[: self.more])
                await writer.drain()
                return True
            writer.write(frame)
            seen += frame[0] & 0x0F == 1
        while data := await reader.read(1 << 16):
            writer.write(data)
        return False


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One whole frame of the server, as it is (RFC 6455, 5.2); the server masks none."""
    frame = await reader.readexactly(2)
    length = frame[1] & 0x7F
    if length >= 126:
        frame += await reader.readexactly(2 if length == 126 else 8)
        (length,) = struct.unpack(">H" if length == 126 else ">Q", frame[2:])
    return frame + await reader.readexactly(length)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def cutting_proxy(host: str, port: int, **options: Any) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(host, port, **options)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.own_port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await asyncio.sleep(0)
