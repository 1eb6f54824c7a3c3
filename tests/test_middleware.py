"""Whose request it is, and the one body of errors."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from rag.settings import load
from web.middleware import _is_own_host, _same_site

from .app_client import Client, MakeClient, Parts
from .raw_http import send


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "HTTP-404"),
        ("GET", "/static/../../setup.cfg", 404, "HTTP-404"),
        ("GET", "/guides/nothing", 404, "HTTP-404"),
        ("DELETE", "/search", 405, "HTTP-405"),
        ("POST", "/health", 405, "HTTP-405"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_every_http_error_has_the_same_body(
    client: Client, method: str, path: str, status: int, code: str, lang: str
) -> None:
    response = await client.request(method, path, headers={"Accept-Language": lang})
    body = await response.json()
    assert (response.status, body["error_code"]) == (status, code)
    assert body.keys() == {"error_code", "message", "solutions", "request_id"}
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/search", "/documents/none"])
async def test_the_answer_to_head_is_that_to_get_without_its_body(client: Client, path: str) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.status == get.status >= 400
    assert await head.read() == b""
    for name in ("Content-Type", "Allow"):
        assert head.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/search", "OPTIONS, POST"),
        ("/documents", "GET, HEAD, OPTIONS, POST"),
        ("/documents/any", "DELETE, GET, HEAD, OPTIONS"),
        ("/documents/jobs", "GET, HEAD, OPTIONS"),
        ("/documents/jobs/any", "DELETE, OPTIONS"),
    ],
)
async def test_options_and_a_refusal_tell_the_methods_of_an_address(client: Client, path: str, methods: str) -> None:
    options, refusal = await client.options(path), await client.put(path)
    assert (options.status, options.headers["Allow"]) == (204, methods)
    assert (refusal.status, refusal.headers["Allow"]) == (405, methods)


async def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    response = await client.post("/search", data=b"x" * (2 << 20), headers={"Content-Type": "application/json"})
    assert (response.status, (await response.json())["error_code"]) == (413, "HTTP-413")


@pytest.mark.parametrize("path", ["/", "/health", "/static/main.js", "/chat-ws?session_id=s"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": ""}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "//"}],
)
async def test_a_foreign_request_is_refused_at_every_door(client: Client, path: str, headers: dict[str, str]) -> None:
    response = await client.get(path, headers=headers)
    assert response.status in (400, 403)
    if response.status == 403:
        assert (await response.json())["error_code"] == "AUTH-003"


@pytest.mark.parametrize(
    ("header", "bound", "own"),
    [
        ("localhost:8000", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("[::1]:8000", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("192.168.0.9:8000", "127.0.0.1", False),
        ("192.168.0.9:8000", "0.0.0.0", True),
        ("evil.example", "0.0.0.0", False),
        ("rag.example", "rag.example", True),
        ("localhost.evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
    ],
)
def test_only_names_that_nobody_can_point_here_are_own(header: str, bound: str, own: bool) -> None:
    assert _is_own_host(header, bound) == own


def test_another_port_is_another_site() -> None:
    assert _same_site("http://localhost:8000", "localhost:8000")
    assert not _same_site("http://localhost:9000", "localhost:8000")
    assert not _same_site("null", "localhost:8000")
    assert not _same_site("http://localhost", "localhost:443")


def test_a_port_that_goes_without_saying_is_the_same_site() -> None:
    assert _same_site("https://rag.example", "rag.example")
    assert _same_site("https://rag.example", "Rag.example:443")
    assert _same_site("http://localhost", "localhost:80")
    assert _same_site("http://[::1]:8000", "[::1]:8000")
    assert _same_site("http://[::1]", "[::1]")


@pytest.mark.parametrize(
    ("header", "own"),
    [
        ("rag.example", True),
        ("RAG.example:8443", True),
        ("rag.example.", True),
        ("sub.rag.example", False),
        ("rag.example.evil.example", False),
        ("other.example:8000", True),
        ("other.example:9000", False),
        ("[2001:db8::1]:80", True),
    ],
)
def test_other_names_are_allowed_by_the_setting_alone(header: str, own: bool) -> None:
    settings = load({"allowed_hosts": "rag.example, Other.example:8000,[2001:db8::1]"}, {})
    assert _is_own_host(header, "127.0.0.1", settings.allowed_hosts) == own
    assert not _is_own_host(header, "127.0.0.1")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (("GET /documents HTTP/1.1", "Host: localhost"), 200),
        (("GET /documents HTTP/1.1", "Host: LOCALHOST:80"), 200),
        (("GET /documents HTTP/1.1", "Host: localhost."), 200),
        (("GET http://localhost:80/documents HTTP/1.1", "Host: localhost:80"), 200),
        (("GET /documents HTTP/1.1", "Host: evil.example"), 403),
        (("GET /documents HTTP/1.1", "Host: evil.example:8000"), 403),
        (("GET /documents HTTP/1.1", "Host: EVIL.example"), 403),
        (("GET /documents HTTP/1.1", "Host: evil.example."), 403),
        (("GET /documents HTTP/1.1", "Host: localhost@evil.example"), 403),
        (("GET /documents HTTP/1.1", "Host: evil.example@localhost"), 403),
        (("GET /documents HTTP/1.1", "Host: localhost/evil.example"), 403),
        (("GET /documents HTTP/1.1", "Host: 127.0.0.1.evil.example"), 403),
        (("GET /documents HTTP/1.1", "Host: [::ffff:10.0.0.1]"), 403),
        (("GET /documents HTTP/1.1", "Host: [fe80::1]:8000"), 403),
        (("GET http://evil.example/documents HTTP/1.1", "Host: localhost"), 403),
        (("GET http://localhost/documents HTTP/1.1", "Host: evil.example"), 403),
        (("GET /documents HTTP/1.0",), 403),
        (("GET /documents HTTP/1.1",), 400),
        (("GET /documents HTTP/1.1", "Host: localhost", "Host: evil.example"), 400),
        (("GET /documents HTTP/1.1", "Host: evil.example", "Host: localhost"), 400),
    ],
)
async def test_a_name_that_somebody_pointed_here_reads_nothing(
    client: Client, head: tuple[str, ...], status: int
) -> None:
    reply = await send(client, *head)
    assert reply.status == status
    assert ("doc.md" in reply.body) == (status == 200)


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://localhost", 101),
        ("http://LOCALHOST", 101),
        ("https://app.example", 101),
        ("null", 403),
        ("", 403),
        ("http://evil.example", 403),
        ("http://localhost:1", 403),
        ("https://app.example:444", 403),
        ("http://app.example", 403),
        ("https://app.example.evil.example", 403),
        ("file://", 403),
    ],
)
async def test_a_socket_opens_for_own_and_allowed_pages_alone(
    parts: Parts, aiohttp_client: MakeClient, origin: str | None, status: int
) -> None:
    client = await aiohttp_client(parts.app(allowed_origins="https://app.example"))
    head = ("GET /chat-ws?session_id=s HTTP/1.1", "Host: localhost", *UPGRADE)
    assert await first_status(client, *head, *([] if origin is None else [f"Origin: {origin}"])) == status


async def first_status(client: Client, *lines: str) -> int:
    """The status alone: an open socket has no end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write("\r\n".join((*lines, "", "")).encode())
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(line.split()[1])


APP = "https://app.example"


@pytest.fixture
async def shared(parts: Parts, aiohttp_client: MakeClient) -> Client:
    """A client of a server that has a key, and whose pages those of another site may use."""
    app = parts.app(allowed_origins=f"{APP}, capacitor://localhost", api_key="a-key-for-tests")
    made: Client = await aiohttp_client(app, cookie_jar=aiohttp.DummyCookieJar())
    return made


@pytest.mark.parametrize("origin", [APP, "capacitor://localhost"])
async def test_the_pages_of_an_allowed_site_may_ask_with_a_key(shared: Client, origin: str) -> None:
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-api-key",
    }
    preflight = await shared.options("/search", headers=asks)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in preflight.headers["Vary"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "content-type"} <= set(allowed)
    headers = {"Origin": origin, "Authorization": "Bearer a-key-for-tests"}
    found = await shared.post("/search", json={"query": "answer"}, headers=headers)
    missing = await shared.post("/search", json={"query": "answer"}, headers={"Origin": origin})
    for response, status in ((found, 200), (missing, 401)):
        # The reason of a refusal can be read, too.
        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_the_login_of_a_person_is_not_lent_to_other_sites(shared: Client) -> None:
    login = await shared.post("/login", data={"key": "a-key-for-tests"}, allow_redirects=False)
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    assert (await shared.get("/documents", headers={"Cookie": cookie})).status == 200
    assert (await shared.get("/documents", headers={"Cookie": cookie, "Origin": APP})).status == 401


async def test_no_other_site_is_told_that_it_may_ask(shared: Client) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = await shared.options("/search", headers=asks)
    assert preflight.status == 403
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert "Access-Control-Allow-Origin" not in (await shared.get("/health")).headers
    assert "Origin" in (await shared.get("/static/main.js")).headers.getall("Vary")
    own = await shared.options("/search", headers={"X-API-Key": "a-key-for-tests"})
    assert "Access-Control-Allow-Methods" not in own.headers


async def test_every_answer_forbids_what_the_page_does_not_need(client: Client) -> None:
    for path in ("/", "/health", "/nowhere", "/static/styles/base.css"):
        response = await client.get(path)
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        # What is not named, such as script-src, style-src and img-src, is as default-src says.
        assert policy == {
            "default-src": "'self'",
            "object-src": "'none'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
            "form-action": "'self'",
        }
        assert response.headers["X-Content-Type-Options"] == "nosniff"
