"""Connections are bounded in number, and none is kept on which nothing moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from web import connections, serving
from web.connections import LEAST, PATIENCE, Pace, most_connections, wanted_connections
from web.serving import Runner

from .app_client import Parts

PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_who_takes_enough_in_time_is_not_stuck() -> None:
    pace = Pace()
    assert not any(pace.is_stuck(now, True, LEAST) for now in range(0, 1000, int(PATIENCE) - 1))


def test_who_takes_too_little_in_time_is_stuck() -> None:
    pace = Pace()
    assert not pace.is_stuck(0, True, 0)
    assert not pace.is_stuck(PATIENCE - 1, True, 1)
    assert pace.is_stuck(PATIENCE, True, 1)


def test_where_nothing_waits_the_time_begins_anew() -> None:
    pace = Pace()
    assert not pace.is_stuck(0, True, 0)
    assert not pace.is_stuck(PATIENCE - 1, False, 0)
    assert not pace.is_stuck(PATIENCE, True, 0)
    assert pace.is_stuck(2 * PATIENCE, True, 0)


def test_each_page_has_room_for_its_two_connections() -> None:
    assert wanted_connections(1000) >= 2000
    assert most_connections(10) <= wanted_connections(10)


@pytest.fixture
async def port(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A served application that takes two connections, and does not wait long for anybody."""
    monkeypatch.setattr(serving, "most_connections", lambda _: 2)
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    monkeypatch.setattr(connections, "LOOK", 0.05)
    monkeypatch.setattr(connections, "REFUSAL", 0.3)
    app = parts.app()
    app.router.add_get("/much", much)
    runner = Runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def much(_: web.Request) -> web.Response:
    return web.Response(body=bytes(32 << 20))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side ends the connection."""
    data = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while chunk := await reader.read(1 << 20):
                data += chunk
    return data


async def test_one_connection_too_many_is_told_so_and_has_room_when_another_goes(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for _, writer in held:
        writer.write(PAGE)
    for reader, _ in held:
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PAGE)
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert json.loads(body)["error_code"] == "WS-004-TOO_MANY_CONNECTIONS"
    for _, other in held:
        other.close()
        await other.wait_closed()
    async with asyncio.timeout(30):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(PAGE)
            if (await reader.readline()).startswith(b"HTTP/1.1 200"):
                break
            writer.close()
    writer.close()


async def test_one_too_many_that_says_nothing_is_ended_too(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for reader, writer in held:
        writer.write(PAGE)
        await reader.readline()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(reader) == b""
    for _, other in (*held, (reader, writer)):
        other.close()


async def test_who_takes_nothing_of_an_answer_is_dropped(port: int) -> None:
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", port))
    await loop.sock_sendall(slow, b"GET /much HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    poll = select.poll()
    poll.register(slow, 0)
    # The end is seen without taking anything.
    async with asyncio.timeout(30):
        while not poll.poll(0):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    slow.close()


async def test_who_sends_a_body_by_the_byte_is_dropped(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 100000\r\n\r\n{")

    async def drip() -> None:
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    await ended(reader)
    dripping.cancel()
    writer.close()
