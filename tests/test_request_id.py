"""Every request has an id, and it is the same in the answer, in the body of an error and in the log."""

from __future__ import annotations

import asyncio
import re

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .app_client import Client, Parts, converse
from .logged import Logged

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/static/main.js"),
        ("GET", "/guides/12-monitoring"),
        ("GET", "/nowhere"),
        ("GET", "/chat-ws"),
        ("POST", "/health"),
        ("POST", "/search"),
    ],
)
async def test_every_answer_has_an_id_and_an_error_has_it_in_its_body(client: Client, method: str, path: str) -> None:
    made = await client.request(method, path)
    given = await client.request(method, path, headers={"X-Request-ID": "order-47.11_a"})
    assert MADE.fullmatch(made.headers["X-Request-ID"])
    assert given.headers["X-Request-ID"] == "order-47.11_a"
    if made.status >= 400:
        assert (await made.json())["request_id"] == made.headers["X-Request-ID"]
        assert (await given.json())["request_id"] == "order-47.11_a"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a/b", "a;b", '{"a":1}', "요청"])
async def test_an_id_of_another_form_is_replaced(client: Client, given: str) -> None:
    response = await client.get("/nowhere", headers={"X-Request-ID": given})
    assert MADE.fullmatch(response.headers["X-Request-ID"])


async def test_a_request_that_is_refused_before_any_handler_has_an_id_too(client: Client) -> None:
    response = await client.get("/health", headers={"Expect": "nonsense"})
    assert (response.status, bool(MADE.fullmatch(response.headers["X-Request-ID"]))) == (417, True)


async def test_the_handshake_of_a_socket_has_an_id(client: Client) -> None:
    url = str(client.make_url("/chat-ws")).replace("http", "ws", 1)
    async with connect(f"{url}?session_id=s", additional_headers={"X-Request-ID": "mine"}) as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "mine"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url)
    assert MADE.fullmatch(refused.value.response.headers["X-Request-ID"])


async def test_what_a_request_logs_has_its_id(parts: Parts, client: Client, logged: Logged) -> None:
    parts.embedder.error = ZeroDivisionError()
    asked = [client.post("/search", json={"query": "x"}, headers={"X-Request-ID": f"r{n}"}) for n in range(4)]
    assert [response.status for response in await asyncio.gather(*asked)] == [500] * 4
    failed = [line for line in logged.lines() if line["level"] == "error"]
    assert {line["request_id"] for line in failed} == {"r0", "r1", "r2", "r3"}
    assert all(line["message"] == "POST /search failed" for line in failed)


async def test_what_a_message_logs_has_the_id_of_its_connection_and_its_own(
    parts: Parts, client: Client, logged: Logged
) -> None:
    parts.embedder.error = ZeroDivisionError()
    assert (await converse(client, "what is the answer"))[-1]["error_code"] == "WS-999-INTERNAL_ERROR"
    (failed,) = [line for line in logged.lines() if line["level"] == "error"]
    assert (failed["message"], failed["message_id"]) == ("an answer failed", "m")
    assert MADE.fullmatch(failed["request_id"])
