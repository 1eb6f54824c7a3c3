"""The files of the page over HTTP."""

from __future__ import annotations

import pytest

from web.assets import STATIC

from .app_client import Client

FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_every_file_arrives_as_it_is(client: Client, encoding: str) -> None:
    for name in FILES:
        response = await client.get(f"/static/{name}", headers={"Accept-Encoding": encoding})
        assert response.status == 200, name
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert await response.read() == (STATIC / name).read_bytes(), name


async def test_scripts_and_styles_say_what_they_are(client: Client) -> None:
    kinds = {"main.js": "text/javascript", "styles/base.css": "text/css", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        response = await client.get(f"/static/{name}")
        assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"


async def test_what_the_browser_has_is_not_sent_again(client: Client) -> None:
    first = await client.get("/static/main.js")
    again = await client.get("/static/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    other = await client.get("/static/client.js", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status == 200


@pytest.mark.parametrize(
    "path", ["../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "", "nothing.js", "texts", "a%00.js"]
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert (await client.get(f"/static/{path}")).status == 404
