"""Whose request it is, and the one body of errors."""

from __future__ import annotations

import pytest

from web.middleware import _is_own_host, _same_site

from .app_client import Client


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
