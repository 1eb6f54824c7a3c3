"""What a proxy says of a client is believed from those that are trusted, and from nobody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from rag.settings import load
from web.forwarded import client_of, host_of, is_secure, prefix_of
from web.keys import SETTINGS

from .app_client import MakeClient, Parts

TRUSTED = "127.0.0.1, 10.0.0.0/8,fd00::/8"
NAMES = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix")


def asked(peer: str | None, headers: Iterable[tuple[str, str]], trusted: str = TRUSTED) -> web.Request:
    app = web.Application()
    app[SETTINGS] = load({"trusted_proxies": trusted}, {})
    transport = Mock()
    told = {"peername": (peer, 4711) if peer else None}
    transport.get_extra_info = lambda name, default=None: told.get(name, default)
    return make_mocked_request("GET", "/", CIMultiDict(headers), app=app, transport=transport)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["198.51.100.1", "203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        ("127.0.0.1", ["10.1.1.1, 10.1.2.3"], "10.1.1.1"),
        ("127.0.0.1", ["203.0.113.7:1234"], "203.0.113.7"),
        ("127.0.0.1", ["[2001:db8::7]:1234"], "2001:db8::7"),
        ("127.0.0.1", ["2001:DB8::7"], "2001:db8::7"),
        ("fd00::1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("192.0.2.9", ["203.0.113.7"], "192.0.2.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7, , 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", [""], "127.0.0.1"),
        (None, ["203.0.113.7"], ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_of(asked(peer, [("X-Forwarded-For", line) for line in forwarded])) == client


@pytest.mark.parametrize(("peer", "trusted"), [("192.0.2.9", TRUSTED), ("127.0.0.1", "")])
def test_from_others_nothing_is_believed(peer: str, trusted: str) -> None:
    lies = zip(NAMES, ("203.0.113.7", "https", "rag.example", "/rag"), strict=True)
    request = asked(peer, [("Host", "127.0.0.1:8000"), *lies], trusted)
    assert (client_of(request), is_secure(request)) == (peer, False)
    assert (host_of(request), prefix_of(request)) == ("127.0.0.1:8000", "")


@pytest.mark.parametrize(
    ("values", "secure"),
    [(["https"], True), (["HTTPS"], True), (["https, http"], False), (["wss"], False), ([], False)],
)
def test_the_trusted_proxy_says_whether_the_client_came_by_tls(values: list[str], secure: bool) -> None:
    assert is_secure(asked("127.0.0.1", [("X-Forwarded-Proto", value) for value in values])) == secure


@pytest.mark.parametrize(
    ("forwarded", "host"),
    [
        ("rag.example", "rag.example"),
        ("rag.example:8443", "rag.example:8443"),
        ("[2001:db8::7]:80", "[2001:db8::7]:80"),
        ("evil.example, rag.example", "rag.example"),
        ("", "inner"),
        ("a b", "inner"),
        ("rag.example/path", "inner"),
        ("user@rag.example", "inner"),
        ("rag.example:port", "inner"),
    ],
)
def test_the_host_is_what_the_client_asked_the_proxy_for(forwarded: str, host: str) -> None:
    assert host_of(asked("127.0.0.1", [("Host", "inner"), ("X-Forwarded-Host", forwarded)])) == host


@pytest.mark.parametrize(
    ("forwarded", "prefix"),
    [
        ("/rag", "/rag"),
        ("/rag/", "/rag"),
        ("/tools/rag", "/tools/rag"),
        ("/", ""),
        ("", ""),
        ("rag", ""),
        ("//evil.example", ""),
        ("/../x", ""),
        ("/a/./b", ""),
        ("/a b", ""),
        ("/a;b", ""),
        ("https://evil.example/", ""),
    ],
)
def test_a_prefix_is_a_plain_path_and_nothing_that_leads_elsewhere(forwarded: str, prefix: str) -> None:
    assert prefix_of(asked("127.0.0.1", [("X-Forwarded-Prefix", forwarded)])) == prefix


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(st.characters(max_codepoint=255), max_size=60)), max_size=6))
def test_no_header_makes_them_raise(headers: list[tuple[str, str]]) -> None:
    request = asked("127.0.0.1", headers)
    for look in (client_of, host_of, prefix_of, is_secure):
        look(request)


async def test_the_check_of_host_and_origin_sees_what_a_trusted_proxy_says(
    parts: Parts, aiohttp_client: MakeClient
) -> None:
    headers = {"X-Forwarded-Host": "localhost:9000", "Origin": "http://localhost:9000"}
    for trusted, status in (("127.0.0.1", 200), ("", 403)):
        app = parts.app()
        app[SETTINGS] = dataclasses.replace(app[SETTINGS], trusted_proxies=trusted)
        client = await aiohttp_client(app)
        assert (await client.get("/health", headers=headers)).status == status
        assert (await client.get("/health", headers={**headers, "X-Forwarded-Host": "evil.example"})).status == 403
