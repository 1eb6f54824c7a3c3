"""One client on another machine holds only so many sockets and streams; this machine may stand for many."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiohttp import WSServerHandshakeError, web

from web.keys import SETTINGS
from web.places import PLACES, is_here

from .app_client import MakeClient, Parts
from .fakes import until

THERE = {"X-Forwarded-For": "203.0.113.9"}
NEXT_DOOR = {"X-Forwarded-For": "203.0.113.10"}


def limited(parts: Parts, **limits: int) -> web.Application:
    app = parts.app()
    app[SETTINGS] = dataclasses.replace(app[SETTINGS], trusted_proxies="127.0.0.1", **limits)
    return app


async def test_a_client_has_so_many_sockets_and_another_has_its_own(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(limited(parts, max_client_connections=2))
    held = [await client.ws_connect(f"/chat-ws?session_id=s{number}", headers=THERE) for number in range(2)]
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/chat-ws?session_id=s3", headers=THERE)
    assert refused.value.status == 429
    held.append(await client.ws_connect("/chat-ws?session_id=s3", headers=NEXT_DOOR))
    await held[0].close()
    held.append(await client.ws_connect("/chat-ws?session_id=s4", headers=THERE))
    for socket in held:
        await socket.close()


async def test_this_machine_is_not_limited_as_one_client(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(limited(parts, max_client_connections=1))
    sockets = [await client.ws_connect(f"/chat-ws?session_id=s{number}") for number in range(3)]
    for socket in sockets:
        await socket.close()


async def test_what_is_over_leaves_its_place(parts: Parts, aiohttp_client: MakeClient) -> None:
    app = limited(parts, max_connections=1)
    client = await aiohttp_client(app)
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    first = asyncio.create_task(client.post("/chat/stream", json={"message": "what is the answer"}))
    await until(lambda: app[PLACES]["stream"].total() == 1)
    async with client.post("/chat/stream", json={"message": "what is the answer"}) as refused:
        assert (refused.status, (await refused.json())["error_code"]) == (503, "WS-004-TOO_MANY_CONNECTIONS")
    hold.set()
    await (await first).read()
    await until(lambda: not app[PLACES]["stream"])
    async with client.post("/chat/stream", json={"message": "what is the answer"}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("client", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_only_this_machine_is_here(client: str, here: bool) -> None:
    assert is_here(client) == here
