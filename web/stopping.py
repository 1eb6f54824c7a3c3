"""The server is asked to stop: new work is refused, what runs may end for a while, and every client is told.

All that is left then is cut and told so; sockets are closed with 1001, and those of stalled readers aborted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from rag.ending import refusal

from . import chat_ws
from .keys import ANSWERS, CLOSING, WORK

# Seconds that running work has to end in, and that clients then have to take the rest.
GRACE = 10.0
FAREWELL = 0.7
LOOK = 0.05
READING = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger(__name__)


def is_work(method: str, path: str) -> bool:
    """Whether it is more than a look at what is there."""
    return method not in READING or path == "/chat-ws" or path.endswith("/events")


@web.middleware
async def refuse_new_work(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Once the server stops: nothing but looking. Work that has begun is noted, since the stop waits for it.

    Raises `RagError` WS-006.
    """
    if request.app[CLOSING].is_set() and is_work(request.method, request.path):
        raise refusal()
    if request.method in READING:
        return await handler(request)
    work, task = request.app[WORK], asyncio.current_task()
    assert task is not None
    work.add(task)
    try:
        return await handler(request)
    finally:
        work.discard(task)


async def drain(app: web.Application) -> None:
    """Refuse new work, and return when nothing is left to be waited for: after `GRACE` and a little at the latest."""
    answers, work = app[ANSWERS], app[WORK]
    app[CLOSING].set()
    leaving = asyncio.create_task(chat_ws.leave(app))
    if not await _until(lambda: not (answers.busy or work), GRACE):
        log.warning("what is left after %g s is cut: %d answers, %d requests", GRACE, answers.busy, len(work))
    await answers.close()
    await _until(lambda: leaving.done() and not work, FAREWELL)
    leaving.cancel()
    await chat_ws.close_all(app)


async def _until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within so many seconds."""
    until = asyncio.get_running_loop().time() + seconds
    while not done():
        if asyncio.get_running_loop().time() >= until:
            return False
        await asyncio.sleep(LOOK)
    return True
