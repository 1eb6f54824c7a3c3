"""Every route of the application, asked by everyone who has no business to: 100 % are refused, and nothing happens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import aiohttp
import pytest

from .app_client import Client, MakeClient, Parts
from .raw_http import Reply, send
from .test_auth import KEY, routes

# Names and forms that lead here, or seem to, by the will of somebody else. PORT is the server's.
HOSTS = (
    "evil.example",
    "evil.example:PORT",
    "EVIL.EXAMPLE.:PORT",
    "127.0.0.1.nip.io:PORT",
    "localhost.evil.example:PORT",
    "evil-localhost:PORT",
    "localhost..:PORT",
    "0.0.0.0:PORT",
    "[::]:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "[::ffff:10.0.0.1]",
    "[fe80::1%25eth0]:PORT",
    "127.0.0.2:PORT",
    "192.168.0.9:PORT",
    "2130706433:PORT",
    "0x7f000001:PORT",
    "0177.0.0.1:PORT",
    "127.1:PORT",
    "localhost@evil.example",
    "evil.example@localhost:PORT",
    "localhost:PORT@evil.example",
    "localhost#evil.example",
    "localhost/evil.example",
    "localhost\\evil.example",
    "localhost:80:80",
    "localhost:name",
    "localhost:999999",
    "localhost%2eevil.example",
    "%6cocalhost",
    "ｌocalhost",
    "localhost,evil.example",
    "[::1",
    "::1",
    "*",
    "",
)
ORIGINS = (
    "http://evil.example",
    "http://evil.example:PORT",
    "https://evil.example",
    "http://localhost",
    "http://localhost:1",
    "http://127.0.0.1:1",
    "http://127.0.0.1:PORT",
    "http://[::1]:PORT",
    "http://localhost.evil.example:PORT",
    "http://evil.example#http://localhost:PORT",
    "http://localhost:PORT.evil.example",
    "http://localhost:PORT@evil.example",
    "http://evil.example@localhost:PORT",
    "http://localhost..:PORT",
    "chrome-extension://abcdefghijklmnop",
    "moz-extension://localhost:PORT",
    "capacitor://localhost",
    "ws://localhost:PORT",
    "file://",
    "data:",
    "about:blank",
    "//localhost:PORT",
    "localhost:PORT",
    "null",
    "*",
    "",
)
# What a browser tells of what a page of another site embeds.
FETCHES = (
    ("no-cors", "image"),
    ("no-cors", "script"),
    ("no-cors", "style"),
    ("no-cors", "video"),
    ("no-cors", "empty"),
    ("navigate", "iframe"),
    ("navigate", "embed"),
    ("navigate", "object"),
    ("same-origin", "worker"),
    ("cors", "empty"),
    ("", ""),
)
UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
# A form that another site can send; what it says would change something.
BODY = json.dumps({"message": "x", "query": "x", "session_id": "planted", "content": "x", "title": "x"})

Ways = list[tuple[str, tuple[str, ...]]]


def foreign_ways(port: int) -> Ways:
    """(target, headers) of each way to ask; "{}" in the target is the path."""
    own = f"Host: localhost:{port}"
    ways: Ways = [("{}", (f"Host: {host.replace('PORT', str(port))}",)) for host in HOSTS]
    ways += [("{}", (own, f"Origin: {origin.replace('PORT', str(port))}")) for origin in ORIGINS]
    ways += [
        ("{}", (own, f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {to}"))
        for site in ("cross-site", "same-site")
        for mode, to in FETCHES
    ]
    ways += [
        ("http://evil.example{}", (own,)),
        (f"http://localhost:{port}" + "{}", ("Host: evil.example",)),
        (f"http://evil.example@localhost:{port}" + "{}", ("Host: evil.example",)),
        ("{}", (own, "Host: evil.example")),
        ("{}", ("Host: evil.example", own)),
        ("{}", ("Host: evil.example", f"X-Forwarded-Host: localhost:{port}", "X-Forwarded-For: 127.0.0.1")),
        ("{}", ("Host: evil.example", f"Forwarded: host=localhost:{port}")),
        ("{}", ("Host: evil.example", f"X-Original-Host: localhost:{port}", f"X-Host: localhost:{port}")),
    ]
    return ways


def paths(client: Client) -> list[tuple[str, str]]:
    """(method, path) of every route, with those of files and documents that are there, and of what is no route."""
    there = {"/static/{path}": "/static/main.js", "/guides/{slug}": "/guides/01-overview"}
    found = [
        (method, there.get(canonical, canonical).replace("{id}", "doc")) for method, canonical in routes(client.app)
    ]
    return [*found, ("OPTIONS", "/documents"), ("OPTIONS", "/chat"), ("PUT", "/documents"), ("GET", "/nowhere")]


async def asked(client: Client, method: str, target: str, headers: tuple[str, ...], more: tuple[str, ...]) -> Reply:
    about = (*more, "Content-Type: application/json", f"Content-Length: {len(BODY)}", "Accept: text/html,*/*")
    if target.partition("?")[0].endswith("/chat-ws"):
        about = (*more, *UPGRADE)
    has_body = "Content-Length" in "".join(about)
    return await send(client, f"{method} {target} HTTP/1.1", *headers, *about, body=BODY if has_body else "")


@pytest.mark.parametrize("key", ["", KEY])
async def test_all_foreign_requests_are_refused_at_every_door(
    parts: Parts, aiohttp_client: MakeClient, key: str
) -> None:
    client: Client = await aiohttp_client(parts.app(api_key=key), cookie_jar=aiohttp.DummyCookieJar())
    # Even who has the key is refused.
    more = (f"X-API-Key: {key}",) if key else ()
    # Behind a key, every fourth way is enough.
    ways = foreign_ways(client.port)[:: 4 if key else 1]
    statuses: Counter[int] = Counter()
    for method, path in paths(client):
        whole = f"{path}?session_id=planted" if path == "/chat-ws" else path
        for target, headers in ways:
            reply = await asked(client, method, target.format(whole), headers, more)
            told = (method, path, target, headers, reply)
            assert reply.status in (400, 403), told
            assert "access-control-allow-origin" not in reply.headers, told
            assert "set-cookie" not in reply.headers, told
            # What is no HTTP never reaches the application; a reply to HEAD has no body.
            if reply.status == 403 and reply.body:
                assert json.loads(reply.body).keys() & {"error", "error_code"}, told
            assert not any(secret in reply.body for secret in ("doc.md", "answer to all", "scripted", "RAG Standard"))
            statuses[reply.status] += 1
    assert statuses.total() > 35 * (20 if key else 90)
    assert statuses[403] > 0.9 * statuses.total()
    assert await parts.sessions.summaries(0, 10) == ([], 0)
    assert list(parts.store.documents) == ["doc"]
    assert parts.ingester.jobs() == []
    assert parts.generator.prompts == []


@pytest.mark.parametrize(
    "name", [lambda port: f"localhost:{port}", lambda port: f"LOCALHOST.:{port}", lambda port: f"[::1]:{port}"]
)
async def test_the_same_requests_by_the_servers_own_names_reach_their_routes(
    client: Client, name: Callable[[int], str]
) -> None:
    host = name(client.port)
    own = [
        (f"Host: {host}",),
        (f"Host: {host}", f"Origin: http://{host}"),
        (f"Host: {host}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"),
        (f"Host: {host}", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
    ]
    endless = ("/chat-ws", "/documents/jobs/events")
    for method, path in paths(client):
        for headers in own:
            # A socket and a stream of events have no end.
            if path not in endless and (method, path) != ("DELETE", "/documents/doc"):
                reply = await asked(client, method, path, headers, ())
                assert reply.status != 403, (method, path, headers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_of_another_site_may_be_followed(client: Client, site: str) -> None:
    told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", "/guides", "/guides/01-overview"):
        assert (await client.get(path, headers=told)).status == 200
    assert (await client.delete("/documents/doc", headers=told)).status == 403
    assert (await client.post("/logout", headers=told, allow_redirects=False)).status == 403


async def test_without_a_host_nothing_is_answered(client: Client) -> None:
    for method, path in paths(client):
        for version in ("1.0", "1.1"):
            reply = await send(client, f"{method} {path} HTTP/{version}")
            assert reply.status in (400, 403)
            assert "doc.md" not in reply.body
