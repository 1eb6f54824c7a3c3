"""RAG Standard behind real proxies, set up by the very snippets of the guide on operations."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rag.settings import TABLE
from web import chat_ws
from web.forwarded import client_of, host_of, is_secure, prefix_of
from web.replies import reply

from .app_client import Parts
from .conftest import ROOT, SCRIPTED, start_server
from .guides import block
from .proxies import GUIDE, SETUPS, Running, Setup, standing
from .socket_client import types

ASKED = "what is the answer"
UPLOAD = 100 << 20
PATIENCE = 30
BELOW = [setup for setup in SETUPS if setup.prefix]

every_setup = pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)


async def who(request: web.Request) -> web.Response:
    """What the server makes of a request."""
    return reply([client_of(request), is_secure(request), host_of(request), prefix_of(request)])


@contextlib.asynccontextmanager
async def served(parts: Parts, **given: str) -> AsyncIterator[TestServer]:
    app = parts.app(**given)
    app.router.add_get("/who", who)
    async with TestServer(app) as server:
        yield server


@contextlib.asynccontextmanager
async def behind(parts: Parts, setup: Setup, **given: str) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """The application behind the proxy, and a client that trusts the proxy's certificate and comes from 127.0.0.2."""
    async with (
        served(parts, **given) as server,
        _standing(setup, server, parts.directory / "proxy") as proxy,
        _client(proxy) as client,
    ):
        yield proxy, client


@contextlib.asynccontextmanager
async def _standing(
    setup: Setup, server: TestServer, folder: Path, timeout: int | None = None
) -> AsyncIterator[Running]:
    assert server.port
    with standing(setup, server.port, folder, timeout) as proxy:
        try:
            yield proxy
        finally:
            # Apache waits for what is still open behind it.
            await server.close()


def _client(proxy: Running) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=proxy.certificate)
    context.check_hostname = False
    connector = aiohttp.TCPConnector(ssl=context, local_addr=("127.0.0.2", 0))
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    # Cookies of an address are kept, too.
    jar = aiohttp.CookieJar(unsafe=True)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=jar, headers={"Origin": proxy.origin, "Accept": "text/html"}
    )


async def ask(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    await socket.send_json({"type": "message", "message_id": "m", "content": ASKED, "session_id": "s"})
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("stream_end", "stream_error"):
        events.append(json.loads(await asyncio.wait_for(socket.receive_str(), PATIENCE)))
    return events


@every_setup
async def test_a_chat_goes_through(parts: Parts, setup: Setup) -> None:
    async with (
        behind(parts, setup) as (proxy, client),
        client.ws_connect(f"{proxy.url}/chat-ws?session_id=s") as socket,
    ):
        assert types(await ask(socket)) == ["stream_start", "stream_token", "stream_sources", "stream_end"]


@every_setup
async def test_refusals_come_through_as_the_server_made_them(parts: Parts, setup: Setup) -> None:
    async with behind(parts, setup) as (proxy, client):
        for path, headers, status, code in (
            ("/nowhere", {}, 404, "HTTP-404"),
            ("/chat-ws", {}, 400, "SESSION-001"),
            ("/health", {"Origin": "http://evil.example"}, 403, "AUTH-003"),
            ("/health", {"Host": "evil.example"}, 403, "AUTH-003"),
        ):
            async with client.get(proxy.url + path, headers=headers) as response:
                assert (response.status, (await response.json())["error_code"]) == (status, code)


@every_setup
async def test_a_trusted_proxy_is_believed_and_what_the_client_claims_is_not(parts: Parts, setup: Setup) -> None:
    lies = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
    }
    async with behind(parts, setup, trusted_proxies="127.0.0.1") as (proxy, client):
        expected = ["127.0.0.2", setup.secure, f"127.0.0.1:{proxy.port}", setup.prefix]
        for headers in ({}, lies):
            async with client.get(f"{proxy.url}/who", headers=headers) as response:
                assert await response.json() == expected


async def test_a_proxy_that_is_not_named_is_not_believed(parts: Parts) -> None:
    (setup, *_) = SETUPS
    async with behind(parts, setup) as (proxy, client), client.get(f"{proxy.url}/who") as response:
        assert await response.json() == ["127.0.0.1", False, f"127.0.0.1:{proxy.port}", ""]


@every_setup
async def test_the_page_finds_all_that_it_names_and_its_guides(parts: Parts, setup: Setup) -> None:
    async with behind(parts, setup) as (proxy, client):
        seen, left = {f"{proxy.url}/"}, [f"{proxy.url}/"]
        while left:
            address = left.pop()
            async with client.get(address) as response:
                assert response.status == 200, address
                text = await response.text() if response.content_type == "text/html" else ""
            for named in re.findall(r'(?:src|href)="([^"#]+)', text):
                found = urljoin(address, named.replace("&amp;", "&"))
                assert found.startswith(f"{proxy.url}/"), found
                if found not in seen:
                    seen.add(found)
                    left.append(found)
        assert any(address.startswith(f"{proxy.url}/guides/") for address in seen)


@pytest.mark.parametrize("setup", BELOW, ids=lambda setup: setup.name)
async def test_the_path_without_its_slash_leads_to_the_page(parts: Parts, setup: Setup) -> None:
    async with behind(parts, setup) as (proxy, client), client.get(proxy.url) as response:
        assert str(response.url) == f"{proxy.url}/"
        assert "RAG Standard" in await response.text()


@every_setup
async def test_a_login_leads_back_to_the_page_and_holds_for_its_path_alone(parts: Parts, setup: Setup) -> None:
    async with behind(parts, setup, api_key="a-key-to-come-in", trusted_proxies="127.0.0.1") as (proxy, client):
        async with client.get(f"{proxy.url}/guides") as response:
            assert str(response.url).startswith(f"{proxy.url}/login?")
        form = {"key": "a-key-to-come-in", "next": "./guides"}
        async with client.post(f"{proxy.url}/login", data=form) as response:
            assert (str(response.url), response.status) == (f"{proxy.url}/guides", 200)
        (cookie,) = client.cookie_jar
        assert cookie["path"] == (setup.prefix or "/")
        assert bool(cookie["secure"]) == setup.secure
        async with client.ws_connect(f"{proxy.url}/chat-ws?session_id=s") as socket:
            assert types(await ask(socket))[-1] == "stream_end"


@every_setup
async def test_events_come_one_by_one_while_their_stream_is_open(parts: Parts, setup: Setup) -> None:
    async with behind(parts, setup) as (proxy, client), client.get(f"{proxy.url}/documents/jobs/events") as stream:
        # The stream has no end: whoever collects it would never pass these on.
        assert json.loads(await data_of(stream))["first"]
        form = aiohttp.FormData()
        form.add_field("files", b"# Gnomon\n\nA gnomon casts the shadow of a sundial.\n", filename="a.md")
        async with client.post(f"{proxy.url}/documents", data=form) as response:
            assert response.status == 202
        (job,) = json.loads(await data_of(stream))["jobs"]
        assert job["name"] == "a.md"


async def data_of(stream: aiohttp.ClientResponse) -> bytes:
    """The data of the next event."""
    while not (line := await stream.content.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    return line[6:]


@every_setup
async def test_the_words_of_an_answer_come_while_it_is_made(parts: Parts, setup: Setup) -> None:
    hold, words = asyncio.Event(), iter(range(2))
    parts.generator.wait = lambda: None if next(words, None) is not None else hold
    async with (
        behind(parts, setup) as (proxy, client),
        client.post(f"{proxy.url}/chat/stream", json={"message": ASKED}) as stream,
    ):
        said = ""
        while (event := json.loads(await data_of(stream)))["event"] != "done":
            said += event.get("data", "")
            if said == "The answer":
                # No more is made until this much has come.
                hold.set()
        assert said == parts.generator.reply


@pytest.mark.parametrize("setup", BELOW, ids=lambda setup: setup.name)
async def test_a_document_of_the_largest_size_reaches_the_server(parts: Parts, setup: Setup) -> None:
    parts.ingester.incoming.max_bytes = UPLOAD
    async with behind(parts, setup) as (proxy, client):
        for size, status, code in ((UPLOAD + 1, 413, "DOC-002"), (UPLOAD // 100, 202, None)):
            form = aiohttp.FormData()
            form.add_field("files", b"x" * size, filename="large.txt")
            async with client.post(f"{proxy.url}/documents", data=form) as response:
                # The server's own word, after it has read as much as is allowed.
                assert (response.status, (await response.json()).get("error_code")) == (status, code)


async def test_an_idle_socket_is_kept_open_by_the_pings_of_the_server(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, pinged = [], []
    async with served(parts) as server, contextlib.AsyncExitStack() as stack:
        for setup in BELOW:
            proxy = await stack.enter_async_context(_standing(setup, server, parts.directory / setup.name, timeout=3))
            client = await stack.enter_async_context(_client(proxy))
            # The pinged one is the older: without pings it would be closed first.
            for heartbeat, sockets in ((1.0, pinged), (None, idle)):
                monkeypatch.setattr(chat_ws, "HEARTBEAT", heartbeat)
                address = f"{proxy.url}/chat-ws?session_id=s-{heartbeat}"
                sockets.append(await stack.enter_async_context(client.ws_connect(address)))
        reading = [asyncio.create_task(socket.receive()) for socket in pinged]
        # The proxies do close a socket that is silent for so long ...
        for socket in idle:
            message = await asyncio.wait_for(socket.receive(), PATIENCE)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        # ... but not one that is pinged.
        assert not any(task.done() for task in reading)
        for socket, task in zip(pinged, reading, strict=True):
            await socket.send_str("{")
            assert json.loads((await asyncio.wait_for(task, PATIENCE)).data)["error_code"] == "WS-001-INVALID_JSON"


@pytest.mark.guide("11-operations", "Under a path of another site with nginx")
@pytest.mark.guide("11-operations", "Behind Apache")
@pytest.mark.guide("11-operations", "Under a path of another site with Apache")
@every_setup
def test_time_outs_and_sizes_of_the_snippets_fit_the_defaults(setup: Setup) -> None:
    token_timeout = next(float(setting.default) for setting in TABLE if setting.name == "token_timeout")
    waits = [int(seconds) for seconds in re.findall(r"(?:_timeout |timeout=)(\d+)", setup.snippet())]
    assert waits
    assert min(waits) > max(token_timeout, chat_ws.HEARTBEAT)
    assert setup.proxy == "apache" or "client_max_body_size 0;" in setup.snippet()


@pytest.mark.guide("11-operations", "Behind nginx")
def test_the_command_of_the_guide_makes_the_server_known_by_its_name(tmp_path: Path) -> None:
    command, file, *arguments = shlex.split(block(GUIDE, "Behind nginx", nth=1).text)
    assert (command, file) == ("python", "server.py")
    server = start_server(tmp_path / "data", ROOT / "models", arguments, program=SCRIPTED).wait()
    try:
        with standing(SETUPS[0], int(server.url.rpartition(":")[2]), tmp_path / "proxy") as proxy:
            context = ssl.create_default_context(cafile=proxy.certificate)
            context.check_hostname = False
            name = f"rag.example.com:{proxy.port}"
            assert _status(proxy, context, Host=name, Origin=f"https://{name}") == 200
            assert _status(proxy, context, Host=name, Origin="https://evil.example") == 403
            assert _status(proxy, context, Host="evil.example") == 403
    finally:
        server.stop()


def _status(proxy: Running, context: ssl.SSLContext, **headers: str) -> int:
    try:
        asked = urllib.request.Request(f"{proxy.url}/", headers=headers)
        with urllib.request.urlopen(asked, context=context, timeout=PATIENCE) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
