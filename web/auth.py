"""The lock on the door: a key in a header, or a login that a browser keeps as a cookie. Never a key in an address."""

from __future__ import annotations

import re
from urllib.parse import quote

import aiohttp_jinja2
from aiohttp import web

from rag.errors import RagError

from .forwarded import client_of, host_of, is_secure
from .guard import LOGIN_LIFE
from .keys import GUARD
from .middleware import Handler, error_headers, foreign_origin, lang_of
from .operation import URLENCODED

# Needs no key.
OPEN = {("GET", "/health"), ("GET", "/login"), ("POST", "/login"), ("GET", "/static/{path}")}

_PORT = re.compile(r":(\d+)$", re.ASCII)
# An address below the application, as a browser takes it: neither another host nor a scheme.
_NEXT = re.compile(r"\./[\x21-\x5b\x5d-\x7e]*")


@web.middleware
async def key_needed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raises `RagError` AUTH-001 without a key, AUTH-002 with a wrong one, RATE-002 after too many of these.

    A browser that opens a page without a login is led to the login.
    """
    if not _is_open(request):
        try:
            admit(request)
        except RagError as error:
            if error.code == "AUTH-001" and _opens_page(request):
                return _see_other(_way_to_login(request))
            raise
    return await handler(request)


def admit(request: web.Request) -> None:
    """Raises `RagError` as `key_needed` does. A key that is given counts more than a login."""
    guard = request.app[GUARD]
    if not guard.is_needed:
        return
    key = key_of(request)
    if key:
        guard.check(key, client_of(request))
    # A page of another site may bring a key, but never the login of the person who looks at it.
    elif foreign_origin(request) is not None or not guard.has_login(_token_of(request)):
        raise RagError("AUTH-001")


def may_enter(request: web.Request) -> bool:
    try:
        admit(request)
    except RagError:
        return False
    return True


async def keep_private(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: no cache on the way may hand to others what needs a key."""
    if request.app[GUARD].is_needed and not _is_open(request):
        response.headers.setdefault("Cache-Control", "private, no-cache")


def _is_open(request: web.Request) -> bool:
    """Asked of the route, not of the path, so that no other spelling of a path comes through."""
    resource = request.match_info.route.resource
    method = "GET" if request.method == "HEAD" else request.method
    return resource is not None and (method, resource.canonical) in OPEN


def _opens_page(request: web.Request) -> bool:
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")


def key_of(request: web.Request) -> str:
    """The key that the request brings in a header, right or wrong; else ""."""
    if key := request.headers.get("X-API-Key", "").strip():
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


# The login of a browser.


async def login_page(request: web.Request) -> web.Response:
    """`GET /login`: asks for the key. `next` in the query is where to go then."""
    if not request.app[GUARD].is_needed:
        return _see_other("./")
    return _page(request, _local(request.query.get("next", "")))


async def log_in(request: web.Request) -> web.Response:
    """`POST /login`: the form of the page, with `key` and `next`. Answers with the page again if the key is wrong.

    Raises `RagError` HTTP-415 for another kind of body.
    """
    if request.content_type != URLENCODED:
        raise RagError("HTTP-415", given=request.content_type[:200], accepted=[URLENCODED])
    form = await request.post()
    key, way = (str(form.get(name, "")) for name in ("key", "next"))
    guard = request.app[GUARD]
    response = _see_other(_local(way))
    if not guard.is_needed:
        return response
    try:
        guard.check(key.strip(), client_of(request))
    except RagError as error:
        return _page(request, _local(way), error)
    guard.log_out(_token_of(request))
    _set_cookie(request, response, guard.log_in(), LOGIN_LIFE)
    return response


async def log_out(request: web.Request) -> web.Response:
    """`POST /logout`: ends the login of this browser."""
    request.app[GUARD].log_out(_token_of(request))
    response = _see_other("login")
    _set_cookie(request, response, "", 0)
    return response


def _page(request: web.Request, way: str, error: RagError | None = None) -> web.Response:
    lang = lang_of(request)
    variables = {"lang": lang, "next": way, "error": error.text(lang) if error else None}
    response = aiohttp_jinja2.render_template("login.html", request, variables, status=error.status if error else 200)
    response.headers.update(error_headers(error) if error else {})
    response.headers["Cache-Control"] = "no-store"
    # Without a referrer, a browser would send the form with the origin "null", which is refused.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _see_other(address: str) -> web.Response:
    """Relative addresses hold behind a proxy that adds a path, too."""
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def _way_to_login(request: web.Request) -> str:
    path = request.rel_url.raw_path
    way = "./" + request.path_qs.lstrip("/")
    return "../" * (path.count("/") - 1) + f"login?next={quote(way, safe='')}"


def _local(way: str) -> str:
    return way if _NEXT.fullmatch(way) else "./"


def _cookie_name(request: web.Request) -> str:
    """Browsers share cookies between the ports of a host, so that two servers need two names."""
    port = _PORT.search(host_of(request))
    return f"rag_login_{port[1]}" if port else "rag_login"


def _token_of(request: web.Request) -> str:
    return request.cookies.get(_cookie_name(request), "")


def _set_cookie(request: web.Request, response: web.Response, token: str, life: int) -> None:
    # Without a path, a browser takes that of the request: the application's, behind whatever proxy.
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=life,
        path="",
        httponly=True,
        samesite="Strict",
        secure=is_secure(request) or None,
    )
