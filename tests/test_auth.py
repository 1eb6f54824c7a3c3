"""The lock on every door: what opens it, what it tells, and the login of a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import pytest
from aiohttp import web

from rag.errors import RagError, Refused
from rag.settings import load
from web.client import Client as CommandLine
from web.guard import FREE
from web.operations import OPERATIONS

from .app_client import Client, MakeClient, Parts
from .raw_http import send
from .socket_client import is_korean

KEY = "a-key-for-tests-0123"
OPEN = {("GET", "/health"), ("GET", "/login"), ("POST", "/login"), ("GET", "/static/{path}")}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def routes(app: web.Application) -> list[tuple[str, str]]:
    """(method, path) of every route, with something in place of what its path leaves open."""
    found = {(route.method, resource.canonical) for resource in app.router.resources() for route in resource}
    return sorted(found)


def filled(canonical: str) -> str:
    return re.sub(r"\{\w+\}", "x", canonical)


def code_of(body: dict[str, Any]) -> str:
    """The code of an error, in this project's shape or in OpenAI's."""
    return str(body["error"]["code"] if "error" in body else body["error_code"])


@pytest.fixture
async def locked(parts: Parts, aiohttp_client: MakeClient) -> Client:
    made: Client = await aiohttp_client(parts.app(api_key=KEY), cookie_jar=aiohttp.DummyCookieJar())
    return made


async def log_in(client: Client, key: str = KEY, way: str = "./") -> aiohttp.ClientResponse:
    return await client.post("/login?lang=en", data={"key": key, "next": way}, allow_redirects=False)


async def cookie_of(client: Client) -> str:
    """What a browser sends back after logging in."""
    return (await log_in(client)).headers["Set-Cookie"].partition(";")[0]


async def test_every_door_asks_for_the_key_and_none_does_without_one(locked: Client) -> None:
    walked = [pair for pair in routes(locked.app) if ("GET" if pair[0] == "HEAD" else pair[0], pair[1]) not in OPEN]
    assert {("GET", "/"), ("GET", "/chat-ws"), ("DELETE", "/documents/{id}"), ("POST", "/logout")} <= set(walked)
    for method, path in [*walked, ("GET", "/nowhere"), ("PATCH", "/health"), ("POST", "/static/main.js")]:
        missing = await locked.request(method, filled(path))
        assert missing.status == 401, (method, path)
        assert missing.headers["WWW-Authenticate"] == "Bearer"
        wrong = await locked.request(method, filled(path), headers={"X-API-Key": "wrong-key"})
        assert wrong.status == 403, (method, path)
        if method != "HEAD":
            assert code_of(await missing.json()) == "AUTH-001"
            assert code_of(await wrong.json()) == "AUTH-002"


def test_the_document_tells_which_doors_are_open() -> None:
    assert {(each.method, each.path) for each in OPERATIONS if "security" in each.extra} == OPEN


async def test_every_door_opens_with_the_key_in_each_of_the_three_ways(locked: Client) -> None:
    for method, path in routes(locked.app):
        if (method, path) == ("POST", "/login"):
            continue
        for way in ("X-API-Key", "Authorization", "Cookie"):
            # Some doors end a login.
            value = {"X-API-Key": KEY, "Authorization": f"bearer {KEY}"}.get(way) or await cookie_of(locked)
            asked = locked.request(method, filled(path), headers={way: value}, allow_redirects=False)
            # A stream of events has no end.
            async with await asked as response:
                assert response.status not in (401, 403, 429, 500), (method, path, way)


async def test_a_socket_is_refused_before_it_opens(locked: Client) -> None:
    for headers, status in (({}, 401), ({"X-API-Key": "wrong-key"}, 403)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await locked.ws_connect("/chat-ws?session_id=s", headers=headers)
        assert refused.value.status == status
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"Cookie": await cookie_of(locked)}):
        async with locked.ws_connect("/chat-ws?session_id=s", headers=headers) as socket:
            assert not socket.closed


@pytest.mark.parametrize(
    "given",
    [
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": KEY},
        {"X-API-Key": " "},
        {"Cookie": f"rag_login_80={KEY}"},
        {"Cookie": f"api_key={KEY}"},
    ],
)
async def test_what_is_no_key_counts_as_none(locked: Client, given: dict[str, str]) -> None:
    assert (await locked.get("/documents", headers=given)).status == 401


async def test_a_key_in_the_address_does_not_count(locked: Client) -> None:
    for name in ("api_key", "key", "token", "X-API-Key"):
        assert (await locked.get("/documents", params={name: KEY})).status == 401
        assert (await locked.get("/chat-ws", params={name: KEY, "session_id": "s"})).status == 401


async def test_no_other_spelling_of_a_path_comes_through(locked: Client) -> None:
    host = f"Host: localhost:{locked.port}"
    for path in (
        *("/static/../documents", "/static/%2e%2e/documents", "/static/..%2fdocuments", "/health/../documents"),
        *("//documents", "/health/", "/Health", "/health;/documents", "/documents?/health", "/documents%3f/health"),
    ):
        # Below /static/ there are files and nothing else.
        assert (await send(locked, f"GET {path} HTTP/1.1", host)).status in (401, 404), path


async def test_a_wrong_key_counts_more_than_a_login(locked: Client) -> None:
    headers = {"Cookie": await cookie_of(locked), "X-API-Key": "wrong-key"}
    assert (await locked.get("/documents", headers=headers)).status == 403


async def test_health_tells_strangers_only_that_it_is_up(parts: Parts, locked: Client) -> None:
    stranger = await (await locked.get("/health")).json()
    assert stranger == {"status": "ok", "version": "test", "key_required": True}
    assert await (await locked.get("/health", headers={"X-API-Key": "wrong-key"})).json() == stranger
    known = await (await locked.get("/health", headers={"X-API-Key": KEY})).json()
    assert (known["model"], known["documents"]) == ("scripted", 1)
    parts.store.error = RagError("SEARCH-003", reason="disk", directory="/srv/secret")
    failing = await locked.get("/health")
    assert failing.status == 503
    assert await failing.json() == stranger | {"status": "error"}


async def test_health_is_no_place_to_try_keys_at(locked: Client) -> None:
    for number in range(FREE):
        await locked.get("/health", headers={"X-API-Key": f"guess {number}"})
    assert "model" not in await (await locked.get("/health", headers={"X-API-Key": KEY})).json()


@pytest.mark.parametrize("path", ["/documents", "/login"])
async def test_guesses_are_slowed_down_at_every_door(locked: Client, path: str) -> None:
    async def attempt(key: str) -> aiohttp.ClientResponse:
        return await log_in(locked, key) if path == "/login" else await locked.get(path, headers={"X-API-Key": key})

    cookie = await cookie_of(locked)
    statuses = [(await attempt(f"guess {number}")).status for number in range(FREE + 1)]
    assert statuses == [403] * FREE + [429]
    limited = await attempt(KEY)
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    # Who is logged in does not suffer from the others behind the same address.
    assert (await locked.get("/documents", headers={"Cookie": cookie})).status == 200


# Browsers.


async def test_a_browser_is_led_to_the_login_and_back(locked: Client) -> None:
    head = (f"Host: localhost:{locked.port}", f"Accept: {BROWSER['Accept']}")
    for path in ("/", "/guides", "/guides/01-overview?lang=en", "/?x=a%26b", "/a:b/c", "/a/%2f"):
        led = await send(locked, f"GET {path} HTTP/1.1", *head)
        assert led.status == 303
        # As a browser joins them, behind a proxy that adds a path.
        here = f"http://localhost/rag{path}"
        login = urljoin(here, led.headers["location"])
        assert urlsplit(login)[:3] == ("http", "localhost", "/rag/login")
        (way,) = parse_qs(urlsplit(login).query)["next"]
        back = (await log_in(locked, way=way)).headers["Location"]
        assert urljoin(login, back) == here


async def test_a_path_that_looks_like_a_host_leads_nowhere_else(locked: Client) -> None:
    head = (f"Host: localhost:{locked.port}", f"Accept: {BROWSER['Accept']}")
    led = await send(locked, "GET //evil.example/a HTTP/1.1", *head)
    assert led.headers["location"] == "../../login?next=.%2Fevil.example%2Fa"


async def test_programs_are_not_led_anywhere(locked: Client) -> None:
    for headers in ({"Accept": "*/*"}, {"Accept": "application/json"}, {}):
        assert (await locked.get("/documents", headers=headers, allow_redirects=False)).status == 401
    assert (await locked.delete("/documents/x", headers=BROWSER, allow_redirects=False)).status == 401


@pytest.mark.parametrize(
    "way",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\evil",
        "./\\evil",
        "javascript:alert(1)",
        "./\n",
        "",
    ],
)
async def test_after_the_login_no_way_leads_elsewhere(locked: Client, way: str) -> None:
    assert (await log_in(locked, way=way)).headers["Location"] == "./"
    assert 'name="next" value="./"' in await (await locked.get("/login", params={"next": way})).text()


async def test_the_cookie_is_kept_from_scripts_other_sites_and_other_paths(locked: Client) -> None:
    name, *attributes = (await log_in(locked)).headers["Set-Cookie"].split("; ")
    assert KEY not in name
    assert name.startswith(f"rag_login_{locked.port}=")
    # No path: a browser takes the one below which /login lies.
    assert set(attributes) == {"HttpOnly", "Max-Age=2592000", "SameSite=Strict"}


async def test_behind_a_proxy_the_cookie_is_for_tls_alone_and_each_client_counts_for_itself(
    parts: Parts, aiohttp_client: MakeClient
) -> None:
    app = parts.app(api_key=KEY, trusted_proxies="127.0.0.1", allowed_hosts="rag.example")
    client: Client = await aiohttp_client(app, cookie_jar=aiohttp.DummyCookieJar())

    async def come(address: str, key: str) -> aiohttp.ClientResponse:
        headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "rag.example"}
        headers["Origin"] = "https://rag.example"
        return await client.post("/login", data={"key": key}, headers=headers, allow_redirects=False)

    statuses = [(await come("10.0.0.1", f"guess {number}")).status for number in range(FREE + 1)]
    assert statuses == [403] * FREE + [429]
    entered = await come("10.0.0.2", KEY)
    assert entered.status == 303
    name, *attributes = entered.headers["Set-Cookie"].split("; ")
    assert name.startswith("rag_login=")
    assert "Secure" in attributes


async def test_no_cache_may_keep_for_others_what_needs_a_key(locked: Client) -> None:
    kept = await locked.get("/documents", headers={"X-API-Key": KEY})
    assert kept.headers["Cache-Control"] == "private, no-cache"
    assert "private" not in (await locked.get("/static/main.js")).headers["Cache-Control"]


async def test_who_logs_out_has_to_log_in_again(locked: Client) -> None:
    cookie, other = await cookie_of(locked), await cookie_of(locked)
    left = await locked.post("/logout", headers={"Cookie": cookie}, allow_redirects=False)
    assert (left.status, left.headers["Location"]) == (303, "login")
    assert "Max-Age=0" in left.headers["Set-Cookie"]
    assert (await locked.get("/documents", headers={"Cookie": cookie})).status == 401
    assert (await locked.get("/documents", headers={"Cookie": other})).status == 200
    again = await locked.post("/login", data={"key": KEY}, headers={"Cookie": other}, allow_redirects=False)
    assert again.status == 303
    assert (await locked.get("/documents", headers={"Cookie": other})).status == 401, "a new login ends the old one"


async def test_a_login_does_not_outlive_the_server(locked: Client, parts: Parts, aiohttp_client: MakeClient) -> None:
    cookie = await cookie_of(locked)
    anew: Client = await aiohttp_client(parts.app(api_key=KEY), cookie_jar=aiohttp.DummyCookieJar())
    cookie = cookie.replace(str(locked.port), str(anew.port))
    assert (await anew.get("/documents", headers={"Cookie": cookie})).status == 401


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_the_login_page_says_in_words_what_was_wrong(locked: Client, lang: str) -> None:
    page = await locked.get(f"/login?lang={lang}")
    text = await page.text()
    assert page.status == 200
    assert f'<html lang="{lang}">' in text
    assert "login-error" not in text
    assert page.headers["Cache-Control"] == "no-store"
    refused = await locked.post(f"/login?lang={lang}", data={"key": '"><script>', "next": './"><script>'})
    text = await refused.text()
    assert refused.status == 403
    assert RagError("AUTH-002").body(lang)["message"] in text  # type: ignore[arg-type]
    assert is_korean(text.partition("login-error")[2]) or lang == "en"
    assert '"><script>' not in text


async def test_the_login_page_lets_its_form_say_where_it_comes_from(locked: Client) -> None:
    # With "no-referrer", browsers send forms with the origin "null", which is refused.
    assert (await locked.get("/login")).headers["Referrer-Policy"] == "same-origin"
    assert "'unsafe" not in (await locked.get("/login")).headers["Content-Security-Policy"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
async def test_other_sites_can_neither_log_in_nor_out_nor_change_anything(locked: Client, origin: str) -> None:
    cookie = await cookie_of(locked)
    for method, path in (("POST", "/login"), ("POST", "/logout"), ("DELETE", "/documents/doc"), ("POST", "/documents")):
        headers = {"Cookie": cookie, "Origin": origin}
        refused = await locked.request(method, path, headers=headers, data={"key": KEY}, allow_redirects=False)
        assert (refused.status, (await refused.json())["error_code"]) == (403, "AUTH-003")
    assert (await locked.get("/documents", headers={"Cookie": cookie})).status == 200


async def test_without_a_key_there_is_nothing_to_log_in_to(client: Client) -> None:
    for response in (
        await client.get("/login", allow_redirects=False),
        await client.post("/login", data={"key": "x"}, allow_redirects=False),
    ):
        assert (response.status, response.headers["Location"]) == (303, "./")
        assert "Set-Cookie" not in response.headers
    assert (await (await client.get("/health")).json())["key_required"] is False
    assert (await client.get("/documents")).status == 200


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/json", "text/plain"])
async def test_the_login_takes_a_form_and_nothing_else(locked: Client, kind: str) -> None:
    refused = await locked.post("/login", data=b"key=x", headers={"Content-Type": kind})
    assert (refused.status, code_of(await refused.json())) == (415, "HTTP-415")


# What else uses keys.


async def test_the_command_line_brings_its_key(locked: Client) -> None:
    url = str(locked.make_url("/"))
    async with CommandLine(url, api_key=KEY) as door:
        assert (await door.loaded())["model"] == "scripted"
        assert [row["name"] for row in await door.documents("")] == ["doc.md"]
        events = [event async for event in door.ask("what is the answer?", "s")]
        assert events[-1]["type"] == "stream_end"
    for key, code in (("", "AUTH-001"), ("wrong-key", "AUTH-002")):
        async with CommandLine(url, api_key=key) as door:
            for ask in (door.loaded, door.documents):
                with pytest.raises(Refused) as refused:
                    await ask()
                assert refused.value.code == code


def test_settings_never_show_a_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("a-key-in-a-file\n")
    settings = load({"api_key": KEY, "api_key_file": str(file)}, {})
    assert settings.api_key == (KEY, "a-key-in-a-file")
    assert not [key for key in settings.api_key if key in repr(settings) or key in str(settings)]
