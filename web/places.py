"""Sockets and streams that are held open: so many in all, and so many for one client."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from aiohttp import web

from rag.errors import RagError

from .forwarded import client_of
from .guard import network_of
from .keys import SETTINGS

Kind = Literal["socket", "stream"]
# How many each client holds of each kind.
PLACES: web.AppKey[dict[Kind, Counter[str]]] = web.AppKey("places", dict)


def empty() -> dict[Kind, Counter[str]]:
    return {"socket": Counter(), "stream": Counter()}


@contextmanager
def held(request: web.Request, kind: Kind) -> Iterator[None]:
    """While a socket is open, or an answer or a progress is told over HTTP.

    Raises `RagError` WS-004 where there are too many of the kind, and WS-005 where too many are of the client.
    """
    settings, client, count = request.app[SETTINGS], client_of(request), request.app[PLACES][kind]
    network = network_of(client)
    if count.total() >= settings.max_connections:
        raise RagError("WS-004-TOO_MANY_CONNECTIONS", limit=settings.max_connections)
    if count[network] >= settings.max_client_connections and not is_here(client):
        raise RagError("WS-005-TOO_MANY_OF_CLIENT", limit=settings.max_client_connections)
    count[network] += 1
    try:
        yield
    finally:
        count[network] -= 1
        if not count[network]:
            del count[network]


def is_here(client: str) -> bool:
    """Whether it runs on this machine, where it may stand for many others."""
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False
