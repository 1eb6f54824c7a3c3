"""The limit of questions, the same at every door."""

from __future__ import annotations

import ipaddress
import math

from aiohttp import web

from rag.errors import RagError

from .forwarded import client_of
from .keys import LIMIT


def check(request: web.Request) -> None:
    """Count a question of the request's client. Raises `RagError` RATE-001 if it has asked too often."""
    wait = request.app[LIMIT].take(_client(request))
    if wait:
        raise RagError("RATE-001", seconds=math.ceil(wait))


def _client(request: web.Request) -> str:
    """The address; of IPv6 the network that one customer gets (RFC 6177), whose addresses are his to choose."""
    address = client_of(request)
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address
