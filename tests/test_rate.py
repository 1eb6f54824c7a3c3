"""The limit of questions: how many a client has, when they come back, and that every door keeps to it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from rag.rate import Limit
from web.keys import LIMIT, SETTINGS, SOCKETS

from .app_client import MakeClient, Parts, converse
from .fakes import Clock, until
from .socket_client import is_korean, types

ASKED = "what is the answer"


def limited(parts: Parts, per_minute: int, trusted: str = "", **given: str) -> web.Application:
    app = parts.app(**given)
    app[SETTINGS] = dataclasses.replace(app[SETTINGS], trusted_proxies=trusted)
    app[LIMIT] = Limit(per_minute, parts.clock)
    return app


def test_the_questions_of_a_minute_may_come_at_once_and_come_back_one_by_one() -> None:
    clock = Clock()
    limit = Limit(3, clock)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    clock.advance(19)
    assert limit.take("a") == pytest.approx(1)
    clock.advance(1)
    assert limit.take("a") == 0
    assert limit.take("a") == pytest.approx(20)
    clock.advance(1000)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


def test_each_client_has_a_bucket_of_its_own() -> None:
    limit = Limit(1, Clock())
    assert [limit.take(client) > 0 for client in ("a", "a", "b", "b")] == [False, True, False, True]


def test_without_a_limit_nothing_is_counted_or_remembered() -> None:
    limit = Limit(0, Clock())
    assert not any(limit.take("a") for _ in range(1000))
    assert len(limit) == 0


def test_only_so_many_clients_are_remembered_those_that_asked_last() -> None:
    limit = Limit(1, Clock(), clients=2)
    assert not any(limit.take(client) for client in ("a", "b", "c"))
    assert len(limit) == 2
    assert limit.take("c") > 0
    assert limit.take("a") == 0


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_holds_more_than_twice_the_limit_and_a_wait_is_never_too_short(
    per_minute: int, pauses: list[float]
) -> None:
    clock = Clock(0)
    limit = Limit(per_minute, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        wait = limit.take("a")
        if wait == 0:
            taken.append(clock.now)
        else:
            clock.advance(wait + 1e-6)
            assert limit.take("a") == 0
            taken.append(clock.now)
    for first in taken:
        assert sum(first <= each < first + 60 for each in taken) <= 2 * per_minute


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_a_question_too_many_is_refused_on_the_socket_and_later_taken(
    parts: Parts, aiohttp_client: MakeClient, lang: str
) -> None:
    client = await aiohttp_client(limited(parts, 2))
    for _ in range(2):
        assert types(await converse(client, ASKED, lang))[-1] == "stream_end"
    (refused,) = await converse(client, ASKED, lang)
    assert (refused["type"], refused["error_code"], refused["message_id"]) == ("stream_error", "RATE-001", "m")
    assert "30" in refused["message"]
    assert is_korean(refused["message"]) == (lang == "ko")
    parts.clock.advance(30)
    assert types(await converse(client, ASKED, lang))[-1] == "stream_end"


async def test_behind_a_trusted_proxy_each_client_counts_for_itself(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(limited(parts, 1, trusted="127.0.0.1"))

    async def ask(address: str) -> str:
        async with client.ws_connect("/chat-ws?session_id=s", headers={"X-Forwarded-For": address}) as socket:
            message = {"type": "message", "message_id": address, "content": ASKED, "session_id": "s"}
            await socket.send_json(message)
            while (event := json.loads(await socket.receive_str()))["type"] not in ("stream_end", "stream_error"):
                pass
            return str(event.get("error_code", ""))

    addresses = ("203.0.113.1", "203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert [await ask(address) for address in addresses] == ["", "RATE-001", "", "", "RATE-001", ""]


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_over_http_the_refusal_says_when_to_come_back(
    parts: Parts, aiohttp_client: MakeClient, path: str
) -> None:
    app = parts.app()
    app[LIMIT] = Limit(1, Clock())
    client = await aiohttp_client(app)
    async with client.post(path, json={"message": ASKED}) as response:
        assert response.status == 200
        await response.read()
    async with client.post(path, json={"message": ASKED}) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "60"
        assert (await response.json())["error_code"] == "RATE-001"


async def test_each_key_counts_for_itself_wherever_it_stands(
    parts: Parts, aiohttp_client: MakeClient, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("first-key-1234\nsecond-key-1234\n")
    client = await aiohttp_client(limited(parts, 1, api_key_file=str(tmp_path / "keys")))
    for header, value, status in (
        ("X-API-Key", "first-key-1234", 200),
        ("Authorization", "Bearer first-key-1234", 429),
        ("Authorization", "Bearer second-key-1234", 200),
        ("X-API-Key", "second-key-1234", 429),
    ):
        response = await client.post("/chat", json={"message": ASKED}, headers={header: value})
        assert response.status == status


async def test_where_no_key_is_needed_none_makes_a_new_client(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(limited(parts, 1))
    for key, status in (("one-key-1234", 200), ("another-key-1234", 429)):
        response = await client.post("/chat", json={"message": ASKED}, headers={"X-API-Key": key})
        assert response.status == status


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_one_socket_too_many_is_refused_before_it_is_one_and_taken_when_another_has_gone(
    parts: Parts, aiohttp_client: MakeClient, lang: str
) -> None:
    app = parts.app()
    app[SETTINGS] = dataclasses.replace(app[SETTINGS], max_connections=2)
    client = await aiohttp_client(app)
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Accept-Language": lang,
    }
    async with client.ws_connect("/chat-ws?session_id=a"):
        second = await client.ws_connect("/chat-ws?session_id=b")
        refused = await client.get("/chat-ws?session_id=c", headers=handshake)
        body = await refused.json()
        assert (refused.status, body["error_code"]) == (503, "WS-004-TOO_MANY_CONNECTIONS")
        assert "2" in body["message"]
        assert is_korean(body["message"]) == (lang == "ko")
        await second.close()
        await until(lambda: len(app[SOCKETS]) == 1)
        assert types(await converse(client, ASKED, lang))[-1] == "stream_end"
