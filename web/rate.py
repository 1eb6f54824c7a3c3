"""The limit of questions, the same at every door."""

from __future__ import annotations

import math

from aiohttp import web

from rag.errors import RagError

from .auth import key_of
from .forwarded import client_of
from .guard import digest_of, network_of
from .keys import GUARD, LIMIT
from .places import is_here


def check(request: web.Request) -> None:
    """Count a question of the request's client. Raises `RagError` RATE-001 if it has asked too often."""
    wait = request.app[LIMIT].take(_client(request))
    if wait:
        raise RagError("RATE-001", seconds=math.ceil(wait))


def asker_of(request: web.Request, session_id: str) -> str:
    """Whose turn a question takes. On this machine, which may be a proxy for many, each conversation has its own."""
    client = _client(request)
    return session_id if is_here(client) else client


def _client(request: web.Request) -> str:
    """The key that let the request in, by its digest; without one in a header, the address.

    Of IPv6 it is the network that one customer gets (RFC 6177), whose addresses are his to choose.
    """
    if request.app[GUARD].is_needed and (key := key_of(request)):
        return digest_of(key).hex()
    return network_of(client_of(request))
