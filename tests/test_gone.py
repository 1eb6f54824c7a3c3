"""Clients of HTTP that go away free the model at once, without anybody looking after them."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET

import pytest
from aiohttp import web

from web import chat_http
from web.keys import ANSWERS
from web.serving import Runner

from .app_client import Parts
from .fakes import until

CHAT = {"message": "what is the answer"}
OPENAI = {"messages": [{"role": "user", "content": "what is the answer"}]}
DOORS = [
    ("/chat", CHAT),
    ("/chat/stream", CHAT),
    ("/v1/chat/completions", OPENAI),
    ("/v1/chat/completions", OPENAI | {"stream": True}),
]


@pytest.fixture
async def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[web.Application, int]]:
    """An application and its port. Nobody looks whether a client is still there."""
    monkeypatch.setattr(chat_http, "LOOK", 1e6)
    app = parts.app()
    runner = Runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield app, runner.addresses[0][1]
    await runner.cleanup()


@pytest.mark.parametrize("way", ["closed", "reset", "half closed"])
@pytest.mark.parametrize(("path", "body"), DOORS)
async def test_an_answer_ends_with_its_connection(
    parts: Parts, served: tuple[web.Application, int], path: str, body: dict[str, object], way: str
) -> None:
    app, port = served
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    await until(lambda: parts.generator.prompts)
    (answer,) = app[ANSWERS]._kept.values()
    assert not answer.question.cancel.is_set()
    connection = writer.get_extra_info("socket")
    if way == "half closed":
        connection.shutdown(SHUT_WR)
    elif way == "reset":
        connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    await until(answer.question.cancel.is_set)
    hold.set()
    await until(lambda: not len(app[ANSWERS]))
    writer.close()


async def test_a_connection_that_goes_after_its_answer_stops_nothing_of_the_next(
    served: tuple[web.Application, int],
) -> None:
    _, port = served
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(CHAT).encode()
    head = "POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    for _ in range(2):
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        told = await reader.readuntil(b"\r\n\r\n")
        length = int(told.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["finish_reason"] == "stop"
    writer.close()
