"""Around every request: whose it is, in which language, and errors as one JSON body."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs, web
from yarl import URL

from rag.errors import Lang, RagError
from rag.protocol import preferred_lang
from rag.settings import HOST

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
    # Names in answers and documents are looked up by nobody who has not followed a link.
    "X-DNS-Prefetch-Control": "off",
}
# What the pages of an allowed origin may do. Without `Allow-Credentials`, browsers send no cookies along.
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
    # The star stands for all but the first.
    "Access-Control-Allow-Headers": "Authorization, X-API-Key, Content-Type, *",
    "Access-Control-Max-Age": "600",
}
EXPOSED_HEADERS = "X-Request-ID, Retry-After"

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
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            # Whoever asked has gone, and nobody reads this.
            return error_response(RagError("HTTP-400"), request)
        log.exception("%s %s failed", request.method, route_of(request))
        return error_response(RagError("WS-999-INTERNAL_ERROR"), request)


def error_response(error: RagError, request: web.Request) -> web.Response:
    """The body of the catalogue, with the id of the request, by which the log can be searched."""
    count_error(request, error.code)
    shape = openai_types.error_body if f"{request.path}/".startswith(openai_types.PREFIX) else RagError.body
    body = shape(error, lang_of(request)) | {"request_id": id_of(request)}
    response = reply(body, status=error.status)
    response.headers.update(error_headers(error))
    return response


def error_headers(error: RagError) -> dict[str, str]:
    """What HTTP wants to be told beside the body."""
    if error.code == "HTTP-405":
        return {hdrs.ALLOW: error.data["allowed"]}
    if error.status == 401:
        return {hdrs.WWW_AUTHENTICATE: "Bearer"}
    if error.status in (429, 503) and "seconds" in error.data:
        return {hdrs.RETRY_AFTER: str(error.data["seconds"])}
    return {}


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
    settings = request.app[SETTINGS]
    host = host_of(request)
    if not _is_own_host(host, settings.host, settings.allowed_hosts):
        raise RagError("AUTH-003", name="Host", value=host[:200] or "-")
    if _target(request) != _host_name(f"http://{request.headers.get('Host', '')}"):
        raise RagError("AUTH-003", name="Host", value=_target(request)[:200])
    origin = foreign_origin(request)
    if origin is not None and not _is_allowed(origin, request):
        raise RagError("AUTH-003", name="Origin", value=origin[:200])
    if origin is None and _is_fetched_elsewhere(request):
        raise RagError("AUTH-003", name="Sec-Fetch-Site", value=request.headers["Sec-Fetch-Site"][:200])
    if origin is not None and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204, headers=PREFLIGHT_HEADERS)
    return await handler(request)


def foreign_origin(request: web.Request) -> str | None:
    """The `Origin` of a page that this server did not serve. Without one, no page of another site asks."""
    origin = request.headers.get("Origin")
    return None if origin is None or _same_site(origin, host_of(request)) else origin


def _is_fetched_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site asks for it as a picture, a script, a frame and so on, of which browsers tell no
    `Origin`. A link that a person follows is none of these."""
    told = {name: request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest")}
    follows = request.method in ("GET", "HEAD") and (told["Mode"], told["Dest"]) == ("navigate", "document")
    return told["Site"] in ("cross-site", "same-site") and not follows


def _target(request: web.Request) -> str:
    """The host of the request's target, which may be a whole address and then counts more than the header."""
    try:
        return (request.url.host or "").lower().removesuffix(".")
    except ValueError:
        return ""


def _is_allowed(origin: str, request: web.Request) -> bool:
    return origin.lower() in request.app[SETTINGS].allowed_origins


def _is_own_host(header: str, bound: str, allowed: Collection[str] = ()) -> bool:
    if not HOST.fullmatch(header):
        return False
    name = _host_name(f"http://{header}")
    if header.lower() in allowed or name in {each.strip("[]") for each in allowed}:
        return True
    if name in ("localhost", "127.0.0.1", "::1", bound):
        return name != ""
    if _is_loopback(bound):
        return False
    # Rebinding needs a name that its owner can point elsewhere; an address or this machine's own name is none.
    return _is_address(name) or name == socket.gethostname().lower()


def _same_site(origin: str, host: str) -> bool:
    try:
        parsed = URL(origin)
        if parsed.user is not None or parsed.password is not None:
            return False
        # A port that goes without saying may be said in one of them.
        same_port = parsed.port == URL(f"{parsed.scheme}://{host}").port
    except ValueError:
        return False
    return parsed.scheme in ("http", "https") and same_port and _host_name(origin) == _host_name(f"http://{host}") != ""


def _host_name(url: str) -> str:
    """In small letters, without the dot of a name that is told in full."""
    try:
        return (URL(url).host or "").lower().removesuffix(".")
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


async def cross_origin(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: the pages of an allowed origin may read the answer, errors too."""
    if not request.app[SETTINGS].allowed_origins:
        return
    response.headers.add("Vary", "Origin")
    origin = foreign_origin(request)
    if origin is not None and _is_allowed(origin, request):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
