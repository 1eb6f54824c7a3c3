"""What doors share: bodies of JSON, read and written, and server-sent events."""

from __future__ import annotations

import io
import json
from typing import Any

from aiohttp import hdrs, web

from rag.errors import RagError
from rag.protocol import load_object

JSON = "application/json"
# Bytes of a body that are written at once.
AT_ONCE = 64 << 10


def check_type(request: web.Request, accepted: str) -> None:
    """Raises `RagError` HTTP-415 for a body of another type, HTTP-400 for one that is compressed."""
    if request.content_type != accepted:
        raise RagError("HTTP-415", given=request.content_type[:200], accepted=[accepted])
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise RagError("HTTP-400")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object that the client sent. Raises `RagError` HTTP-415, WS-001."""
    check_type(request, JSON)
    return load_object(await request.read())


def dumps(data: Any) -> str:
    """JSON that can be sent: what stood for broken UTF-8 in a request is a question mark."""
    return json.dumps(data, ensure_ascii=False).encode(errors="replace").decode()


def reply(data: Any, status: int = 200) -> web.Response:
    return json_text(dumps(data), status)


def json_text(text: str, status: int = 200) -> web.Response:
    """JSON that is written already. A large one leaves in pieces: as a whole, a slow reader would cost it twice."""
    body = text.encode()
    pieces = io.BytesIO(body) if len(body) > AT_ONCE else body
    return web.Response(body=pieces, status=status, content_type=JSON, charset="utf-8")


async def event_stream(request: web.Request) -> web.StreamResponse:
    """The beginning of a response of server-sent events."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    return response
