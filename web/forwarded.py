"""Who asks, and by which address, where a proxy stands between.

The `X-Forwarded-*` headers are believed where the peer is one of the setting's `trusted_proxies`, and ignored from
everybody else. A trusted proxy writes last, so the last value counts: what a client put before it does not.
Headers that make no sense are as good as none; nothing here raises.
"""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from rag.settings import networks

from .keys import SETTINGS

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 3986, 3.2.2: a name or an IPv4 address, or an IPv6 address in brackets, and a port.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)


def client_of(request: web.Request) -> str:
    """The address of the client: the last one of `X-Forwarded-For` that is no trusted proxy, else the peer."""
    client = _address(request.remote or "")
    if client is None:
        return request.remote or ""
    for hop in reversed(_values(request, "X-Forwarded-For")):
        if not _trusted(request, client):
            break
        before = _address(hop)
        if before is None:
            break
        client = before
    return str(client)


def is_secure(request: web.Request) -> bool:
    """Whether the client came by TLS."""
    asked = _forwarded(request, "X-Forwarded-Proto").lower()
    return asked == "https" if asked in ("http", "https") else request.secure


def host_of(request: web.Request) -> str:
    """The host, with its port if there is one, that the client asked for. "" if it named none."""
    asked = _forwarded(request, "X-Forwarded-Host")
    return asked if _HOST.fullmatch(asked) else request.headers.get("Host", "")


def prefix_of(request: web.Request) -> str:
    """The path under which the client sees `/`, such as `/rag`, without a slash at its end; mostly ""."""
    asked = _forwarded(request, "X-Forwarded-Prefix").rstrip("/")
    # A browser takes dots for steps, not for names.
    return asked if _PREFIX.fullmatch(asked) and not {".", ".."} & set(asked.split("/")) else ""


def _forwarded(request: web.Request, header: str) -> str:
    """What the trusted peer says in the header, else ""."""
    peer = _address(request.remote or "")
    values = _values(request, header)
    return values[-1] if values and peer is not None and _trusted(request, peer) else ""


def _values(request: web.Request, header: str) -> list[str]:
    return [value.strip() for line in request.headers.getall(header, ()) for value in line.split(",")]


def _trusted(request: web.Request, address: Address) -> bool:
    return any(address in network for network in networks(request.app[SETTINGS].trusted_proxies))


def _address(text: str) -> Address | None:
    """The address, without a port or zone that may stand by it; one of IPv4 that is told as IPv6 is the former."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
