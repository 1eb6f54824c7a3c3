"""Every request has an id: in its answer, in the bodies of errors, and in what is logged meanwhile."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from rag import logs
from rag.protocol import End, ErrorEvent, Event

from .forwarded import client_of
from .keys import SETTINGS
from .metrics import count_error, route_of

HEADER = "X-Request-ID"
REQUEST_ID = web.RequestKey("request_id", str)

_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

access = logging.getLogger("web.access")


def id_of(request: web.BaseRequest) -> str:
    """The id that the client gave, if it is 1 to 64 of `A-Z a-z 0-9 . _ -`, else a new one."""
    if REQUEST_ID not in request:
        given = request.headers.get(HEADER, "")
        request[REQUEST_ID] = given if _FORM.fullmatch(given) else uuid.uuid4().hex
    return request[REQUEST_ID]


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: every answer says its id, be it the handshake of a socket."""
    response.headers[HEADER] = id_of(request)


@web.middleware
async def identify(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Bind the id to what is logged, and log the request where logs are JSON. A socket's ends with its connection."""
    # As nginx says it: the client has gone.
    begun, status = time.monotonic(), 499
    with logs.bound(request_id=id_of(request)):
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            note(request, "request", method=request.method, status=status, ms=round(1000 * (time.monotonic() - begun)))
    return response


def note(request: web.Request, message: str, **fields: Any) -> None:
    """A line of the access log, with the route (never the path) and the client's address, where logs are JSON."""
    if request.app[SETTINGS].log_format == "json":
        told = {"route": route_of(request), "client": client_of(request), **fields}
        access.info(message, extra={"fields": told})


def note_end(request: web.Request, last: Event) -> None:
    """A question has had its last event, within what a client is told: log it, and count it if it is an error."""
    if isinstance(last, ErrorEvent):
        count_error(request, last.error.code)
        note(request, "message", message_id=last.message_id, error_code=last.error.code)
    elif isinstance(last, End):
        ended = {"finish_reason": last.finish_reason, "ms": last.processing_time_ms, "tokens": last.total_tokens}
        note(request, "message", message_id=last.message_id, **ended)
