"""Around every request: whose it is, in which language, and errors as one JSON body."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from yarl import URL

from rag.errors import Lang, RagError
from rag.protocol import preferred_lang

from . import openai_types
from .forwarded import host_of
from .keys import SETTINGS
from .metrics import count_error, route_of
from .replies import reply
from .request_id import id_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

log = logging.getLogger(__name__)


def lang_of(request: web.Request) -> Lang:
    """`lang` in the query, else the better of `Accept-Language`, else the server's default."""
    asked = request.query.get("lang")
    if asked in ("ko", "en"):
        return "ko" if asked == "ko" else "en"
    return preferred_lang(request.headers.get("Accept-Language"), request.app[SETTINGS].lang)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong leaves as the body of the catalogue, with its status."""
    try:
        return await handler(request)
    except RagError as error:
        return error_response(error, request)
    except web.HTTPException as exception:
        if exception.status < 400:
            raise
        if isinstance(exception, web.HTTPMethodNotAllowed) and request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={hdrs.ALLOW: _allowed(exception)})
        return error_response(_from_http(exception, request), request)
    except web.RequestPayloadError:
        return error_response(RagError("HTTP-400"), request)
    except Exception:
        log.exception("%s %s failed", request.method, route_of(request))
        return error_response(RagError("WS-999-INTERNAL_ERROR"), request)


def error_response(error: RagError, request: web.Request) -> web.Response:
    """The body of the catalogue, with the id of the request, by which the log can be searched."""
    count_error(request, error.code)
    shape = openai_types.error_body if f"{request.path}/".startswith(openai_types.PREFIX) else RagError.body
    body = shape(error, lang_of(request)) | {"request_id": id_of(request)}
    response = reply(body, status=error.status)
    if error.code == "HTTP-405":
        response.headers[hdrs.ALLOW] = error.data["allowed"]
    if error.status in (429, 503) and "seconds" in error.data:
        response.headers[hdrs.RETRY_AFTER] = str(error.data["seconds"])
    return response


def _allowed(exception: web.HTTPMethodNotAllowed) -> str:
    return ", ".join(sorted({*exception.allowed_methods, hdrs.METH_OPTIONS}))


def _from_http(exception: web.HTTPException, request: web.Request) -> RagError:
    if isinstance(exception, web.HTTPMethodNotAllowed):
        return RagError("HTTP-405", method=exception.method, allowed=_allowed(exception))
    if exception.status == 404:
        return RagError("HTTP-404", path=request.path)
    if exception.status == 413:
        return RagError("HTTP-413")
    return RagError("HTTP-400" if exception.status < 500 else "WS-999-INTERNAL_ERROR")


@web.middleware
async def own_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a foreign `Host` (DNS rebinding) and a foreign `Origin` (cross-site requests and sockets)."""
    host = host_of(request)
    if not _is_own_host(host, request.app[SETTINGS].host):
        raise RagError("AUTH-003", name="Host", value=host[:200] or "-")
    origin = request.headers.get("Origin")
    if origin is not None and not _same_site(origin, host):
        raise RagError("AUTH-003", name="Origin", value=origin[:200])
    return await handler(request)


def _is_own_host(header: str, bound: str) -> bool:
    name = _host_name(f"http://{header}")
    if name in ("localhost", "127.0.0.1", "::1", bound):
        return name != ""
    if _is_loopback(bound):
        return False
    # Rebinding needs a name that its owner can point elsewhere; an address or this machine's own name is none.
    return _is_address(name) or name == socket.gethostname().lower()


def _same_site(origin: str, host: str) -> bool:
    try:
        parsed = URL(origin)
        return parsed.scheme in ("http", "https") and parsed.authority.lower() == host.lower()
    except ValueError:
        return False


def _host_name(url: str) -> str:
    try:
        return (URL(url).host or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(bound: str) -> bool:
    return bound == "localhost" or (_is_address(bound) and ipaddress.ip_address(bound).is_loopback)


async def security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: what the browser may do with the answer."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
