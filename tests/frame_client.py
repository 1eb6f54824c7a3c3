"""Sends the cases of `hostile_frames` and says what is wrong with the server's answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable

from .hostile_frames import ALIVE, CLOSE, PING, PONG, Case, frame, handshake

# Cases at a time.
BESIDE = 16
# Seconds, generous: what counts is that there is an end.
PATIENCE = 60.0
# Sent with the end of the connection, it is a reset.
AT_ONCE = struct.pack("ii", 1, 0)


class Wire:
    """A bare socket. Unlike a stream of asyncio it still reads what came before a reset."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    async def connect(self, port: int) -> None:
        await self._loop.sock_connect(self._socket, ("127.0.0.1", port))

    def close(self, reset: bool) -> None:
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self._socket.close()

    async def send(self, *pieces: bytes) -> None:
        """As far as the other side takes them."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                await self._loop.sock_sendall(self._socket, piece)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def more(self) -> bytes:
        """What comes next; nothing at the end."""
        with contextlib.suppress(ConnectionError):
            return await self._loop.sock_recv(self._socket, 1 << 16)
        return b""

    async def exactly(self, size: int) -> bytes:
        """Raises `EOFError`."""
        while len(self._data) < size:
            await self._fill()
        found, self._data = self._data[:size], self._data[size:]
        return found

    async def until(self, mark: bytes) -> bytes:
        """Raises `EOFError`."""
        while mark not in self._data:
            await self._fill()
        found, _, self._data = self._data.partition(mark)
        return found

    async def _fill(self) -> None:
        data = await self.more()
        if not data:
            raise EOFError
        self._data += data

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of one frame of the server. Raises `EOFError`."""
        first, length = await self.exactly(2)
        if length == 126:
            (length,) = struct.unpack(">H", await self.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.exactly(8))
        return first & 15, await self.exactly(length)


async def faults_of(cases: Iterable[Case], port: int) -> list[tuple[str, str]]:
    """Play them, some at a time. The names of those with a fault, and the fault."""
    left = iter(cases)

    async def some() -> list[tuple[str, str]]:
        return [(case.name, fault) for case in left if (fault := await fault_of(case, port))]

    return [found for part in await asyncio.gather(*(some() for _ in range(BESIDE))) for found in part]


async def fault_of(case: Case, port: int) -> str:
    """Play one case on a connection of its own. What is wrong, or ""."""
    wire = Wire()
    try:
        async with asyncio.timeout(PATIENCE):
            await wire.connect(port)
            return await (_socket_fault if case.upgraded else _head_fault)(case, wire)
    except TimeoutError:
        return f"nothing in {PATIENCE:.0f} s"
    finally:
        wire.close(case.ending == "rst")


async def _head_fault(case: Case, wire: Wire) -> str:
    await wire.send(*case.pieces)
    if case.ending == "rst":
        return ""
    line = b""
    if case.wanted:
        with contextlib.suppress(EOFError):
            line = await wire.until(b"\r\n")
    wire.finish()
    while data := await wire.more():
        line = line or data.partition(b"\r\n")[0]
    status = int(line.split(b" ", 2)[1]) if line.startswith(b"HTTP/") else 0
    if status == 500 or (case.wanted and status not in case.wanted):
        return f"answered {line[:200]!r}, wanted {sorted(case.wanted)}"
    return ""


async def _socket_fault(case: Case, wire: Wire) -> str:
    await wire.send(handshake())
    head = await wire.until(b"\r\n\r\n")
    if b" 101 " not in head:
        return f"the handshake was answered {head[:100]!r}"
    await wire.send(*case.pieces)
    if case.ending == "rst":
        return ""
    if case.lives:
        await wire.send(frame(PING, ALIVE))
    elif not case.wanted:
        wire.finish()
    code = await _end(wire, case.lives)
    if case.lives:
        return f"closed with {code}, but should live" if code else ""
    if code == 1011 or (case.wanted and code not in case.wanted):
        return f"closed with {code}, wanted {sorted(case.wanted)}"
    return ""


async def _end(wire: Wire, lives: bool) -> int:
    """Read frames to the end: the close code, 1006 without one. 0 as soon as it `lives`."""
    code = 1006
    with contextlib.suppress(EOFError):
        while True:
            opcode, payload = await wire.frame()
            if lives and opcode == PONG and payload == ALIVE:
                return 0
            if opcode == CLOSE and code == 1006:
                code = struct.unpack(">H", payload[:2])[0] if payload else 1005
    return code
